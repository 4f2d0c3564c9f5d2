// Times, sizes and counts as people read them.

/**
 * A place in a film: 12:03.4, or 1:02:03.4 in long ones.
 * @param {number} seconds
 * @param {number} [digits] after the point
 */
export function clock(seconds, digits = 1) {
  const unit = 10 ** digits;
  const ticks = Math.round(Math.max(0, seconds) * unit);
  const whole = Math.floor(ticks / unit);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const rest = digits ? `.${String(ticks % unit).padStart(digits, "0")}` : "";
  const minutes = h ? `${h}:${String(m).padStart(2, "0")}` : String(m);
  return `${minutes}:${String(s).padStart(2, "0")}${rest}`;
}

/**
 * What was written as a time, in seconds; null where it is none.
 * @param {string} text such as 1:02:03.4, 62,5 or 12:03
 */
export function parseClock(text) {
  const parts = text.trim().replace(",", ".").split(":");
  if (parts.length > 3 || !parts.every((part) => /^\d+(\.\d*)?$/.test(part))) return null;
  return parts.reduce((sum, part) => sum * 60 + Number(part), 0);
}

/**
 * A stretch of time in words.
 * @param {number} seconds
 */
export function lasting(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {number} bytes */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const number = bytes / 1000 ** power;
  return `${number.toFixed(power && number < 100 ? 1 : 0)} ${units[power]}`;
}

/**
 * "1 cue", "2 cues".
 * @param {number} count
 * @param {string} noun
 */
export function count(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * A moment of the past, shortly.
 * @param {number} seconds since 1970
 */
export function moment(seconds) {
  const date = new Date(seconds * 1000);
  const today = date.toDateString() === new Date().toDateString();
  const day = today ? "" : `${date.toLocaleDateString([], { day: "numeric", month: "short" })}, `;
  return day + date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

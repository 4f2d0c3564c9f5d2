// The waveform on a canvas, from peaks that the server has computed, with cues and words over it.

import { address } from "./api.js";
import { byId } from "./dom.js";
import { clock } from "./format.js";
import { setTime } from "./edits.js";
import { cueAt } from "./words.js";

const PER_SECOND = 50; // peaks: pairs of a lowest and a highest sample, each a signed byte
const [SHORTEST, LONGEST] = [2, 600]; // seconds that are seen at once
const NEAR = 7; // pixels
const RULER = 20; // pixels
const COLOURS = ["wave", "wave-on", "ink", "soft", "line", "accent", "wash", "card", "warn"];

export class Wave {
  /**
   * @param {number} job
   * @param {import("./types.js").FilmDocument} film
   * @param {{
   *   subtitles: import("./subtitles.js").Subtitles, words: import("./words.js").Words,
   *   player: import("./player.js").Player,
   * }} parts
   */
  constructor(job, film, { subtitles, words, player }) {
    this.film = film;
    this.subtitles = subtitles;
    this.words = words;
    this.player = player;
    this.box = byId("wave");
    this.canvas = /** @type {HTMLCanvasElement} */ (byId("wave-canvas"));
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.peaks = new Int8Array(0);
    this.loudest = 32; // of the peaks, and at least that, so that noise stays small
    this.from = 0; // seconds at the left edge
    this.seconds = 12; // that are seen
    this.isPlanned = false;
    /** @type {{ side: "start" | "end", id: string | number, begun: number } | null} */
    this.drag = null;
    this.colour = /** @type {Record<string, string>} */ ({});
    this.readColours();
    this.listen();
    this.load(job);
  }

  listen() {
    new ResizeObserver(() => this.resize()).observe(this.box);
    addEventListener("theme", () => this.readColours());
    this.subtitles.addEventListener("change", () => this.plan());
    this.subtitles.addEventListener("select", () => this.reveal());
    this.player.addEventListener("time", () => this.followPlayhead());
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerup", () => (this.drag = null));
    this.canvas.addEventListener("dblclick", (event) => this.playAt(this.timeAt(event.offsetX)));
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.box.addEventListener("keydown", (event) => this.key(event));
  }

  /** Read the peaks as they come; the server may still be computing them. */
  async load(/** @type {number} */ job) {
    const all = new Int8Array(Math.ceil((this.film.duration + 60) * PER_SECOND) * 2);
    try {
      const answer = await fetch(address(`jobs/${job}/peaks?per_second=${PER_SECOND}`));
      if (!answer.ok || !answer.body) return;
      const reader = answer.body.getReader();
      let filled = 0;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const room = Math.min(value.length, all.length - filled);
        all.set(new Int8Array(value.buffer, value.byteOffset, room), filled);
        for (let place = filled; place < filled + room; place++) {
          this.loudest = Math.max(this.loudest, Math.abs(all[place]));
        }
        filled += room;
        this.peaks = all.subarray(0, filled);
        this.plan();
      }
      this.box.dataset.peaks = "all";
    } catch {
      // Without peaks the cues and the words are still drawn.
    }
  }

  readColours() {
    const probe = document.createElement("span");
    this.box.append(probe);
    for (const name of COLOURS) {
      probe.style.color = `var(--${name})`;
      this.colour[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    this.plan();
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    const { width, height } = this.box.getBoundingClientRect();
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.width = width;
    this.height = height;
    this.plan();
  }

  get scale() {
    return (this.width ?? 1) / this.seconds; // pixels a second
  }

  /** @param {number} x */
  timeAt(x) {
    return this.from + x / this.scale;
  }

  /** @param {number} time */
  xAt(time) {
    return (time - this.from) * this.scale;
  }

  /** @param {number} time */
  show(time) {
    const last = Math.max(0, this.film.duration - this.seconds / 2);
    this.from = Math.max(0, Math.min(time, last));
    this.plan();
  }

  /** Bring the selected cue into view. */
  reveal() {
    const { cue } = this.subtitles;
    if (!cue) return;
    const isSeen = cue.start >= this.from && cue.end <= this.from + this.seconds;
    if (!isSeen) this.show((cue.start + cue.end - this.seconds) / 2);
    this.plan();
  }

  followPlayhead() {
    const { time } = this.player;
    const isSeen = time >= this.from && time <= this.from + 0.9 * this.seconds;
    if (!isSeen) this.show(time - 0.1 * this.seconds);
    this.box.setAttribute("aria-valuenow", time.toFixed(1));
    this.box.setAttribute("aria-valuetext", clock(time));
    this.plan();
  }

  /**
   * @param {number} factor
   * @param {number} [around] a time that stays where it is
   */
  zoom(factor, around = this.player.time) {
    const seconds = Math.min(LONGEST, Math.max(SHORTEST, this.seconds * factor));
    const from = around - ((around - this.from) * seconds) / this.seconds;
    this.seconds = seconds;
    this.show(from);
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    event.preventDefault();
    if (event.ctrlKey) this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.timeAt(event.offsetX));
    else this.show(this.from + ((event.deltaX || event.deltaY) / 600) * this.seconds);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const steps = /** @type {Record<string, () => void>} */ ({
      ArrowLeft: () => this.player.seek(this.player.time - 0.1),
      ArrowRight: () => this.player.seek(this.player.time + 0.1),
      PageUp: () => this.player.seek(this.player.time + this.seconds * 0.8),
      PageDown: () => this.player.seek(this.player.time - this.seconds * 0.8),
      Home: () => this.player.seek(0),
      End: () => this.player.seek(this.film.duration),
      "+": () => this.zoom(0.8),
      "-": () => this.zoom(1.25),
    });
    if (!(event.key in steps)) return;
    event.preventDefault();
    steps[event.key]();
  }

  /**
   * The end of a cue that is so near that it is meant.
   * @param {number} x
   */
  edgeAt(x) {
    const { cues, selected } = this.subtitles;
    const near = cueAt(cues, this.timeAt(x + NEAR));
    for (const index of [selected, near, near - 1]) {
      const cue = cues[index];
      if (!cue) continue;
      if (Math.abs(this.xAt(cue.start) - x) < NEAR) return { index, id: cue.id, side: /** @type {"start"} */ ("start") };
      if (Math.abs(this.xAt(cue.end) - x) < NEAR) return { index, id: cue.id, side: /** @type {"end"} */ ("end") };
    }
    return null;
  }

  /** @param {PointerEvent} event */
  press(event) {
    if (event.button !== 0) return;
    const edge = this.edgeAt(event.offsetX);
    this.canvas.setPointerCapture(event.pointerId);
    if (edge) {
      this.subtitles.select(edge.index);
      this.drag = { ...edge, begun: event.timeStamp };
      return;
    }
    const time = this.timeAt(event.offsetX);
    const index = cueAt(this.subtitles.cues, time);
    const cue = this.subtitles.cues[index];
    if (cue && cue.start <= time && time < cue.end) this.subtitles.select(index);
    this.player.seek(time);
  }

  /** @param {PointerEvent} event */
  hover(event) {
    if (!this.drag) {
      this.canvas.style.cursor = this.edgeAt(event.offsetX) ? "ew-resize" : "pointer";
      return;
    }
    const { side, id, begun } = this.drag;
    const { cues } = this.subtitles;
    const index = cues.findIndex((cue) => cue.id === id);
    const time = this.snapped(event.offsetX, side);
    const label = side === "start" ? "in time" : "out time";
    const moved = setTime(cues, index, side, time);
    this.subtitles.change(label, moved, { kind: `drag ${side} ${id} ${begun}` });
  }

  /**
   * A time, or that of the word's end that is near.
   * @param {number} x
   * @param {"start" | "end"} side
   */
  snapped(x, side) {
    const time = this.timeAt(x);
    const [low, high] = this.words.within(time - 2, time + 2);
    const ends = this.words.all.slice(low, high).map((word) => word[side]);
    return ends.find((end) => Math.abs(end - time) * this.scale < NEAR) ?? time;
  }

  /** @param {number} time */
  playAt(time) {
    const cue = this.subtitles.cues[cueAt(this.subtitles.cues, time)];
    if (cue && time < cue.end) this.player.play(cue.start, cue.end);
  }

  plan() {
    if (this.isPlanned) return;
    this.isPlanned = true;
    requestAnimationFrame(() => {
      this.isPlanned = false;
      this.draw();
    });
  }

  draw() {
    const { context, width = 0, height = 0 } = this;
    if (!width) return;
    context.clearRect(0, 0, width, height);
    this.drawCues();
    this.drawPeaks();
    this.drawRuler();
    this.drawWords();
    const x = this.xAt(this.player.time);
    context.fillStyle = this.colour.ink;
    context.fillRect(x - 0.75, 0, 1.5, height);
  }

  /** The cues that are seen, with their indices. */
  seenCues() {
    const { cues } = this.subtitles;
    const seen = [];
    const end = this.from + this.seconds;
    for (let i = Math.max(0, cueAt(cues, this.from) - 1); i < cues.length && cues[i].start < end; i++) {
      seen.push(i);
    }
    return seen;
  }

  drawCues() {
    const { context, colour, height = 0 } = this;
    for (const index of this.seenCues()) {
      const { start, end } = this.subtitles.cues[index];
      const [left, right] = [this.xAt(start), this.xAt(end)];
      const isSelected = index === this.subtitles.selected;
      context.fillStyle = colour.wash;
      context.globalAlpha = isSelected ? 1 : 0.55;
      context.fillRect(left, RULER, right - left, height - RULER);
      context.globalAlpha = 1;
      context.fillStyle = isSelected ? colour.accent : colour.soft;
      const edge = isSelected ? 2 : 1;
      context.fillRect(left, RULER, edge, height - RULER);
      context.fillRect(right - edge, RULER, edge, height - RULER);
      if (isSelected) context.fillRect(left, RULER, right - left, 3);
      context.font = `${isSelected ? 600 : 400} 11px system-ui, sans-serif`;
      if (right - left > 24) context.fillText(String(index + 1), left + 5, RULER + 14);
    }
  }

  drawPeaks() {
    const { context, colour, peaks, width = 0, height = 0, subtitles } = this;
    const middle = RULER + (height - RULER - 18) / 2;
    const half = (height - RULER - 22) / 2 / this.loudest;
    const [from, till] = subtitles.cue ? [this.xAt(subtitles.cue.start), this.xAt(subtitles.cue.end)] : [0, 0];
    const step = PER_SECOND / this.scale;
    for (const isOn of [false, true]) {
      context.fillStyle = isOn ? colour["wave-on"] : colour.wave;
      for (let x = 0; x < width; x++) {
        if ((x >= from && x < till) !== isOn) continue;
        const first = Math.floor((this.from + x / this.scale) * PER_SECOND);
        const last = Math.max(first + 1, Math.ceil(first + step));
        let [low, high] = [0, 0];
        for (let peak = first; peak < last && 2 * peak + 1 < peaks.length; peak++) {
          low = Math.min(low, peaks[2 * peak]);
          high = Math.max(high, peaks[2 * peak + 1]);
        }
        context.fillRect(x, middle - high * half, 1, Math.max(1, (high - low) * half));
      }
    }
  }

  drawRuler() {
    const { context, colour, width = 0 } = this;
    context.fillStyle = colour.line;
    context.fillRect(0, RULER - 1, width, 1);
    const steps = [0.5, 1, 2, 5, 10, 30, 60, 120];
    const step = steps.find((seconds) => seconds * this.scale > 70) ?? 300;
    context.font = "11px system-ui, sans-serif";
    for (let time = Math.ceil(this.from / step) * step; time < this.from + this.seconds; time += step) {
      const x = this.xAt(time);
      context.fillStyle = colour.line;
      context.fillRect(x, RULER - 6, 1, 5);
      context.fillStyle = colour.soft;
      context.fillText(clock(time, step < 1 ? 1 : 0), x + 4, RULER - 7);
    }
  }

  /** The words at their times, those underlined of which the recogniser was unsure. */
  drawWords() {
    const { context, colour, height = 0 } = this;
    if (this.scale < 45) return;
    const [low, high] = this.words.within(this.from - 1, this.from + this.seconds + 1);
    context.font = "12px system-ui, sans-serif";
    let free = -Infinity;
    for (const word of this.words.all.slice(low, high)) {
      const [left, right] = [this.xAt(word.start), this.xAt(word.end)];
      context.fillStyle = colour.soft;
      context.fillRect(left, height - 18, 1, 4);
      if (left < free) continue;
      const isUnsure = word.confidence < 0.6;
      context.fillStyle = isUnsure ? colour.warn : colour.ink;
      context.fillText(word.text, left + 3, height - 6);
      const end = left + 3 + context.measureText(word.text).width;
      for (let x = left + 3; isUnsure && x < end; x += 4) context.fillRect(x, height - 3, 2, 1.5);
      free = Math.max(end + 3, Math.min(right, end + 3));
    }
  }
}

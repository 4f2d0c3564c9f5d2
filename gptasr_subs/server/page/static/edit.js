// The panel in which the selected cue is edited.

import { byId, icon, make, say } from "./dom.js";
import { breakLine, insertAt, merge, replaceCue, setTime, split } from "./edits.js";
import { clock, parseClock } from "./format.js";

/** @typedef {import("./types.js").Norms} Norms */

export class EditPanel {
  /**
   * @param {import("./types.js").FilmDocument} film
   * @param {{
   *   subtitles: import("./subtitles.js").Subtitles, words: import("./words.js").Words,
   *   player: import("./player.js").Player, faults: import("./faults.js").Faults,
   * }} parts
   */
  constructor(film, { subtitles, words, player, faults }) {
    this.norms = /** @type {Norms} */ (typeof film.norms === "object" ? film.norms : {});
    this.gap = this.norms.gap ?? 1 / 12;
    this.maxChars = this.norms.max_chars ?? 42;
    this.subtitles = subtitles;
    this.words = words;
    this.player = player;
    this.faults = faults;
    this.text = /** @type {HTMLTextAreaElement} */ (byId("cue-text"));
    this.start = /** @type {HTMLInputElement} */ (byId("cue-start"));
    this.end = /** @type {HTMLInputElement} */ (byId("cue-end"));
    this.listen();
    this.show();
  }

  listen() {
    this.subtitles.addEventListener("change", () => this.show());
    this.subtitles.addEventListener("select", () => this.show());
    this.faults.addEventListener("change", () => this.showFaults());
    this.text.addEventListener("input", () => this.write());
    for (const [side, input] of /** @type {const} */ ([["start", this.start], ["end", this.end]])) {
      input.addEventListener("change", () => this.writeTime(side, input));
    }
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Escape") byId("cues").focus();
    });
  }

  show() {
    const { cue, selected, cues } = this.subtitles;
    const isThere = cue !== undefined;
    for (const field of [this.text, this.start, this.end]) field.disabled = !isThere;
    byId("cue-title").textContent = isThere ? `Subtitle ${selected + 1} of ${cues.length}` : "No subtitle yet";
    if (this.text.value !== (cue?.text ?? "")) this.text.value = cue?.text ?? "";
    this.start.value = cue ? clock(cue.start, 3) : "";
    this.end.value = cue ? clock(cue.end, 3) : "";
    this.showFigures();
    this.showFaults();
  }

  showFigures() {
    const { cue } = this.subtitles;
    const place = byId("cue-figures");
    place.replaceChildren();
    if (!cue) return;
    const seconds = cue.end - cue.start;
    const lines = cue.text.replace(/<[^>]*>|\{\\[^}]*\}/g, "").split("\n");
    const letters = lines.join(" ").length;
    const { max_chars: chars, max_chars_per_second: speed } = this.norms;
    place.append(
      figure(`${seconds.toFixed(2)} s`, false),
      ...lines.map((line, index) =>
        figure(`line ${index + 1}: ${line.length}${chars ? ` of ${chars}` : ""}`, Boolean(chars) && line.length > Number(chars)),
      ),
      figure(
        `${(letters / seconds).toFixed(1)}${speed ? ` of ${speed}` : ""} characters a second`,
        Boolean(speed) && letters / seconds > Number(speed) + 0.05,
      ),
    );
  }

  showFaults() {
    const { cue } = this.subtitles;
    const faults = cue ? this.faults.of(cue.id) : [];
    byId("cue-faults").replaceChildren(
      ...faults.map(({ severity, message }) => {
        const isError = severity === "error";
        const words = isError ? "Error: " : "Warning: ";
        return make("li", { class: isError ? "fault error" : "fault" }, icon(isError ? "alert" : "warn"), words + message);
      }),
    );
  }

  write() {
    const { cues, selected, cue } = this.subtitles;
    if (!cue) return;
    const changed = replaceCue(cues, selected, { text: this.text.value });
    this.subtitles.change("typing", changed, { kind: `text ${cue.id}` });
  }

  /**
   * @param {"start" | "end"} side
   * @param {HTMLInputElement} input
   */
  writeTime(side, input) {
    const time = parseClock(input.value);
    if (time === null) say("Write a time like 12:03.4 or 1:02:03.400.", "bad");
    else this.set(side, time);
    this.show();
  }

  /**
   * Let the selected cue begin or end at a time, that of the player if none is given.
   * @param {"start" | "end"} side
   * @param {number} [time]
   */
  set(side, time = this.player.time) {
    const { cues, selected, cue } = this.subtitles;
    if (!cue) return;
    const label = side === "start" ? "in time" : "out time";
    this.subtitles.change(label, setTime(cues, selected, side, time));
  }

  setEndAndGoOn() {
    this.set("end");
    this.subtitles.select(this.subtitles.selected + 1);
  }

  play() {
    const { cue } = this.subtitles;
    if (cue) this.player.play(cue.start, cue.end);
  }

  goToStart() {
    const { cue } = this.subtitles;
    if (cue) this.player.seek(cue.start);
  }

  /** Split at the word where the cursor is, or, outside of the text, at the one that is being said. */
  split() {
    const { cues, selected, cue } = this.subtitles;
    if (!cue) return;
    const isTyping = document.activeElement === this.text;
    const place = isTyping ? this.text.selectionStart : this.placeOfPlayhead();
    const after = split(cues, selected, place, { words: this.words, gap: this.gap });
    if (!after) {
      say("Put the cursor before the word with which the second subtitle begins.");
      return;
    }
    this.subtitles.change("split", after, { selected: selected + 1 });
    if (isTyping) this.text.setSelectionRange(0, 0);
  }

  placeOfPlayhead() {
    const { cue } = this.subtitles;
    if (!cue) return 0;
    const { tokens, words } = this.words.of(cue);
    const said = words.findIndex((index) => index >= 0 && this.words.all[index].end > this.player.time);
    return tokens[said]?.from ?? 0;
  }

  merge() {
    const { cues, selected } = this.subtitles;
    this.subtitles.change("merge", merge(cues, selected, this.maxChars));
  }

  /** Break the lines anew. */
  breakLines() {
    const { cues, selected, cue } = this.subtitles;
    if (!cue) return;
    const text = breakLine(cue.text.replace(/\s+/g, " ").trim(), this.maxChars);
    if (text !== cue.text) this.subtitles.change("line break", replaceCue(cues, selected, { text }));
  }

  insert() {
    const { cues, index } = insertAt(this.subtitles.cues, this.player.time, this.words);
    this.subtitles.change("new subtitle", cues, { selected: index });
    this.text.focus();
  }

  remove() {
    const { cues, selected, cue } = this.subtitles;
    if (!cue) return;
    this.subtitles.change("deletion", cues.toSpliced(selected, 1), { selected });
  }
}

/**
 * One figure; one that is too high says so by more than its colour.
 * @param {string} text
 * @param {boolean} isTooMuch
 */
function figure(text, isTooMuch) {
  const element = make("span", { class: isTooMuch ? "figure too-much" : "figure" }, text);
  if (isTooMuch) element.prepend(icon("warn"));
  return element;
}

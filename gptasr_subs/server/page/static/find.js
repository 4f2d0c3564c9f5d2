// Find and replace.

import { byId, say } from "./dom.js";
import { count } from "./format.js";

export class Find {
  /** @param {import("./subtitles.js").Subtitles} subtitles */
  constructor(subtitles) {
    this.subtitles = subtitles;
    this.box = byId("find");
    this.wanted = /** @type {HTMLInputElement} */ (byId("find-text"));
    this.instead = /** @type {HTMLInputElement} */ (byId("find-instead"));
    this.exact = /** @type {HTMLInputElement} */ (byId("find-exact"));
    this.wanted.addEventListener("input", () => this.look());
    this.exact.addEventListener("change", () => this.showCount());
    this.subtitles.addEventListener("change", () => this.box.hidden || this.showCount());
    byId("find-next").addEventListener("click", () => this.go(1));
    byId("find-back").addEventListener("click", () => this.go(-1));
    byId("find-one").addEventListener("click", () => this.replaceOne());
    byId("find-all").addEventListener("click", () => this.replaceAll());
    byId("find-close").addEventListener("click", () => this.close());
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      if (event.key !== "Enter" || !(event.target instanceof HTMLInputElement)) return;
      if (event.target === this.wanted) this.go(event.shiftKey ? -1 : 1);
      if (event.target === this.instead) this.replaceOne();
      event.preventDefault();
    });
  }

  /** @param {"find-text" | "find-instead"} [field] */
  open(field = "find-text") {
    this.box.hidden = false;
    this.showCount();
    const input = /** @type {HTMLInputElement} */ (byId(field));
    input.focus();
    input.select();
  }

  close() {
    this.box.hidden = true;
    byId("cues").focus();
  }

  /** What is looked for; null for nothing. */
  get pattern() {
    const text = this.wanted.value;
    if (!text) return null;
    const escaped = text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+");
    return new RegExp(escaped, this.exact.checked ? "gu" : "giu");
  }

  showCount() {
    const { pattern } = this;
    let found = 0;
    for (const cue of this.subtitles.cues) found += pattern ? [...cue.text.matchAll(pattern)].length : 0;
    byId("find-count").textContent = pattern ? (found ? count(found, "place") : "not found") : "";
  }

  /** What is typed is shown at once where it comes next, so that it can be replaced at once. */
  look() {
    this.showCount();
    this.select(1, 0);
  }

  /**
   * Select the next cue that has it, in either direction.
   * @param {1 | -1} step
   */
  go(step) {
    if (this.pattern && !this.select(step, 1)) say(`“${this.wanted.value}” is nowhere in the subtitles.`);
  }

  /**
   * Select the first cue that has it, if any does; whether one does.
   * @param {1 | -1} step
   * @param {0 | 1} away from the selected one, where the search begins
   */
  select(step, away) {
    const { pattern } = this;
    const { cues, selected } = this.subtitles;
    for (let steps = away; pattern && steps < cues.length + away; steps++) {
      const index = (selected + step * steps + cues.length * steps) % cues.length;
      if (cues[index].text.search(pattern) < 0) continue;
      this.subtitles.select(index);
      return true;
    }
    return false;
  }

  /** Replace in the selected cue, if it is there, and go on to the next. */
  replaceOne() {
    const { pattern } = this;
    const { cues, selected, cue } = this.subtitles;
    if (!pattern || !cue) return;
    if (cue.text.search(pattern) < 0) {
      this.go(1);
      return;
    }
    const text = cue.text.replace(pattern, () => this.instead.value);
    this.subtitles.change("replacement", cues.with(selected, { ...cue, text }));
    if (!this.select(1, 1)) say("Replaced; that was the last place.");
  }

  replaceAll() {
    const { pattern } = this;
    if (!pattern) return;
    let replaced = 0;
    const cues = this.subtitles.cues.map((cue) => {
      const text = cue.text.replace(pattern, () => {
        replaced += 1;
        return this.instead.value;
      });
      return text === cue.text ? cue : { ...cue, text };
    });
    if (replaced) this.subtitles.change("replacements", cues);
    say(replaced ? `${count(replaced, "place")} replaced. Undo takes it back.` : "Nothing to replace.");
  }
}

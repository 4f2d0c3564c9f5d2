// The list of all cues. Only the rows that are seen exist, so thousands scroll as smoothly as ten.

import { byId, make } from "./dom.js";
import { clock } from "./format.js";

/**
 * @typedef {import("./types.js").Cue} Cue
 * @typedef {{
 *   element: HTMLElement, number: HTMLElement, time: HTMLElement, text: HTMLElement,
 *   faults: HTMLElement, shown: Shown,
 * }} Row
 * @typedef {{
 *   cue?: Cue, index?: number, faults?: import("./types.js").Fault[], isSelected?: boolean,
 *   isPlaying?: boolean,
 * }} Shown what a row shows now
 */

const BEYOND = 3; // rows that exist above and below those that are seen

export class CueList {
  /**
   * @param {import("./subtitles.js").Subtitles} subtitles
   * @param {import("./words.js").Words} words
   * @param {import("./faults.js").Faults} faults
   */
  constructor(subtitles, words, faults) {
    this.subtitles = subtitles;
    this.words = words;
    this.faults = faults;
    this.scroller = byId("cues");
    this.space = byId("cues-space");
    /** @type {Map<number, Row>} by the place in the list */
    this.rows = new Map();
    this.height = 60; // pixels of a row, as in the style sheet
    this.isPlanned = false;
    this.playing = -1;
    this.listen();
    this.measure();
  }

  listen() {
    this.scroller.addEventListener("scroll", () => this.plan(), { passive: true });
    this.subtitles.addEventListener("change", () => this.plan());
    this.subtitles.addEventListener("select", () => this.reveal());
    this.faults.addEventListener("change", () => this.plan());
    new ResizeObserver(() => this.measure()).observe(this.scroller);
    this.space.addEventListener("click", (event) => {
      const row = event.target instanceof Element && event.target.closest(".cue");
      if (row instanceof HTMLElement) this.subtitles.select(Number(row.dataset.index));
    });
    this.scroller.addEventListener("keydown", (event) => this.move(event));
  }

  /** The height of a row is that of the style sheet. */
  measure() {
    const probe = make("div", { class: "cue" });
    this.space.append(probe);
    this.height = probe.getBoundingClientRect().height || this.height;
    probe.remove();
    this.plan();
  }

  /** @param {KeyboardEvent} event */
  move(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.height) - 1);
    const { selected, cues } = this.subtitles;
    const places = /** @type {Record<string, number>} */ ({
      ArrowDown: selected + 1,
      ArrowUp: selected - 1,
      PageDown: selected + page,
      PageUp: selected - page,
      Home: 0,
      End: cues.length - 1,
    });
    if (!(event.key in places)) return;
    event.preventDefault();
    this.subtitles.select(places[event.key]);
  }

  /** Scroll so that the selected cue is seen. */
  reveal() {
    const top = this.subtitles.selected * this.height;
    const { scrollTop, clientHeight } = this.scroller;
    const isSeen = top >= scrollTop + this.height && top + 2 * this.height <= scrollTop + clientHeight;
    if (!isSeen) this.scroller.scrollTop = top - (clientHeight - this.height) / 2;
    this.plan();
  }

  /**
   * Mark the cue that is being played.
   * @param {number} index
   */
  follow(index) {
    if (index === this.playing) return;
    this.playing = index;
    this.plan();
  }

  plan() {
    if (this.isPlanned) return;
    this.isPlanned = true;
    requestAnimationFrame(() => {
      this.isPlanned = false;
      this.render();
    });
  }

  render() {
    const { cues, selected } = this.subtitles;
    const height = `${cues.length * this.height}px`;
    if (this.space.style.height !== height) this.space.style.height = height;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / this.height) - BEYOND);
    const seen = Math.ceil(this.scroller.clientHeight / this.height) + 2 * BEYOND;
    const last = Math.min(cues.length, first + seen);
    const spare = this.takeSpare(first, last);
    for (let index = first; index < last; index++) {
      const row = this.rows.get(index) ?? spare.pop() ?? this.makeRow();
      this.rows.set(index, row);
      this.fill(row, index);
    }
    for (const row of spare) row.element.remove();
    const active = this.rows.get(selected)?.element.id ?? "";
    if (active !== (this.scroller.getAttribute("aria-activedescendant") ?? "")) {
      this.scroller.setAttribute("aria-activedescendant", active);
    }
  }

  /**
   * The rows that are not seen any more.
   * @param {number} first
   * @param {number} last
   */
  takeSpare(first, last) {
    const spare = [];
    for (const [index, row] of this.rows) {
      if (index >= first && index < last) continue;
      spare.push(row);
      this.rows.delete(index);
    }
    return spare;
  }

  /** @returns {Row} */
  makeRow() {
    const number = make("span", { class: "cue-number figures" });
    const time = make("span", { class: "cue-time figures" });
    const text = make("span", { class: "cue-text" });
    const faults = make("span", { class: "cue-faults" });
    const element = make("div", { class: "cue", role: "option" }, number, time, text, faults);
    this.space.append(element);
    return { element, number, time, text, faults, shown: {} };
  }

  /**
   * @param {Row} row
   * @param {number} index
   */
  fill(row, index) {
    const { cues, selected } = this.subtitles;
    const cue = cues[index];
    const faults = this.faults.of(cue.id);
    const { element, shown } = row;
    const now = { cue, index, faults, isSelected: index === selected, isPlaying: index === this.playing };
    row.shown = now;
    if (now.index !== shown.index) {
      element.id = `cue-${index}`;
      element.dataset.index = String(index);
      element.style.transform = `translateY(${index * this.height}px)`;
      element.setAttribute("aria-posinset", String(index + 1));
      row.number.textContent = String(index + 1);
    }
    if (element.ariaSetSize !== String(cues.length)) element.ariaSetSize = String(cues.length);
    if (now.isSelected !== shown.isSelected) element.ariaSelected = String(now.isSelected);
    if (now.isPlaying !== shown.isPlaying) element.classList.toggle("is-playing", now.isPlaying);
    if (now.faults !== shown.faults) row.faults.replaceChildren(...faultMarks(faults));
    if (now.cue === shown.cue) return;
    row.time.textContent = clock(cue.start);
    row.text.replaceChildren(...this.markedText(cue));
  }

  /**
   * The text, with the words marked of which the recogniser was unsure.
   * @param {Cue} cue
   */
  markedText(cue) {
    const { tokens, words } = this.words.of(cue);
    /** @type {(Node | string)[]} */
    const parts = [];
    let at = 0;
    for (const [place, token] of tokens.entries()) {
      if (!this.words.isUnsure(words[place], token.text)) continue;
      parts.push(cue.text.slice(at, token.from), make("span", { class: "unsure" }, token.text));
      at = token.to;
    }
    parts.push(cue.text.slice(at));
    return parts;
  }
}

/** @param {import("./types.js").Fault[]} faults */
function faultMarks(faults) {
  if (!faults.length) return [];
  const isError = faults.some((fault) => fault.severity === "error");
  const worst = faults.find((fault) => fault.severity === "error") ?? faults[0];
  const rules = worst.rule + (faults.length > 1 ? ` +${faults.length - 1}` : "");
  const mark = make("span", { class: isError ? "fault error" : "fault" });
  const sign = make("b", { class: "sign", "aria-hidden": "true" }, isError ? "▲" : "●"); // icons cost more
  mark.append(sign, make("span", {}, rules));
  mark.title = faults.map((fault) => fault.message).join("\n");
  return [mark];
}

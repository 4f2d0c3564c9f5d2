// The review queue: the words that are worth hearing, in the order in which that pays.

import { askJson } from "./api.js";
import { byId, icon, make, say, trying } from "./dom.js";
import { takeReading } from "./edits.js";
import { clock, count } from "./format.js";
import { addToGlossary } from "./glossary.js";
import { plain } from "./words.js";

/**
 * @typedef {import("./types.js").Stop} Stop
 * @typedef {import("./types.js").Bill} Bill
 */

const AROUND = 1; // seconds that are heard before and after a word
const MOST = 5; // readings

export class Review {
  /**
   * @param {number} job
   * @param {{
   *   subtitles: import("./subtitles.js").Subtitles, words: import("./words.js").Words,
   *   player: import("./player.js").Player, saver: import("./saving.js").Saver,
   * }} parts
   */
  constructor(job, { subtitles, words, player, saver }) {
    this.job = job;
    this.subtitles = subtitles;
    this.words = words;
    this.player = player;
    this.saver = saver;
    /** @type {Bill | null} */
    this.bill = null;
    this.at = 0;
    /** @type {Set<number>} words that were heard in this visit */
    this.heard = new Set();
    this.budget = /** @type {HTMLSelectElement} */ (byId("budget"));
    this.input = /** @type {HTMLInputElement} */ (byId("stop-text"));
    this.glossary = /** @type {HTMLInputElement} */ (byId("stop-glossary"));
    this.listen();
  }

  listen() {
    this.budget.addEventListener("change", () => this.load());
    this.input.addEventListener("input", () => this.showReadings());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.subtitles.addEventListener("change", () => this.stop && this.showSentence(this.stop));
    byId("stop-right").addEventListener("click", () => this.accept(null));
    byId("stop-again").addEventListener("click", () => this.hear());
    byId("stop-next").addEventListener("click", () => this.go(1));
    byId("stop-back").addEventListener("click", () => this.go(-1));
    byId("same-all").addEventListener("click", () => this.tickAll());
  }

  /** The word that is asked about; none where the queue is over. */
  get stop() {
    return /** @type {Stop | undefined} */ (this.bill?.stops[this.at]);
  }

  /** Ask for the queue that fits into the time one has. */
  async load() {
    await this.saver.save();
    const question = `jobs/${this.job}/review?minutes=${this.budget.value}`;
    const bill = await trying(() => askJson(question));
    if (!bill) return;
    this.bill = bill;
    this.at = 0;
    this.showBill();
    this.show();
  }

  /** Begin, or go on where one was. */
  async enter() {
    if (!this.bill) await this.load();
    else this.show();
  }

  leave() {
    this.player.pause();
  }

  showBill() {
    const { bill } = this;
    if (!bill) return;
    const all = Math.round(bill.expected_errors);
    const covered = Math.round(bill.covered);
    const place = byId("bill");
    if (!bill.stops.length) {
      place.textContent = `About ${count(all, "wrong word")} in this film, and no place that is worth a stop.`;
      return;
    }
    place.replaceChildren(
      "About ",
      make("b", {}, count(all, "wrong word")),
      "; ",
      make("b", {}, count(bill.stops.length, "stop")),
      ` ${bill.stops.length === 1 ? "holds" : "hold"} about `,
      make("b", {}, String(covered)),
      " of them.",
    );
  }

  /** Show the stop, and let it be heard. */
  show() {
    const { stop } = this;
    byId("stop").hidden = !stop;
    byId("queue-over").hidden = Boolean(stop);
    byId("stop-count").textContent = stop && this.bill ? `Stop ${this.at + 1} of ${this.bill.stops.length}` : "";
    if (!stop) {
      this.player.pause();
      return;
    }
    const place = this.words.placeOf(this.subtitles.cues, stop.word);
    if (place) this.subtitles.select(place.cue);
    this.input.value = "";
    this.glossary.checked = false;
    this.showSentence(stop);
    this.showReadings();
    this.showSame(stop);
    this.hear();
    this.input.focus({ preventScroll: true });
  }

  /** Hear the word again and again, with a second around it. */
  hear() {
    const { stop } = this;
    if (stop) this.player.play(stop.start - AROUND, stop.end + AROUND, true);
  }

  /** The loop, or silence. */
  toggle() {
    if (this.player.isPlaying) this.player.pause();
    else this.hear();
  }

  /** @param {Stop} stop */
  showSentence(stop) {
    byId("stop-sentence").replaceChildren(...this.sentence(stop.word, true));
    byId("stop-time").textContent = clock(stop.start);
  }

  /**
   * The text around a word, which is marked.
   * @param {number} index
   * @param {boolean} withNeighbours
   */
  sentence(index, withNeighbours) {
    const { cues } = this.subtitles;
    const place = this.words.placeOf(cues, index);
    if (!place) return ["This word is not in the subtitles any more."];
    const { text } = cues[place.cue];
    const token = this.words.of(cues[place.cue]).tokens[place.token];
    /** @param {number} cue */
    const neighbour = (cue) =>
      withNeighbours && cues[cue] ? [make("span", { class: "neighbour" }, cues[cue].text.replace(/\n/g, " "))] : [];
    return [
      ...neighbour(place.cue - 1),
      text.slice(0, token.from),
      make("mark", {}, token.text),
      text.slice(token.to),
      ...neighbour(place.cue + 1),
    ];
  }

  /** The other readings that fit to what is typed. */
  get readings() {
    const { stop } = this;
    const typed = plain(this.input.value);
    const others = (stop?.readings ?? []).filter((reading) => plain(reading) !== plain(stop?.text ?? ""));
    return others.slice(0, MOST).filter((reading) => plain(reading).startsWith(typed));
  }

  showReadings() {
    const { readings, stop } = this;
    const typed = this.input.value.trim();
    const items = readings.map((reading, index) => {
      const take = () => this.accept(reading);
      const button = make("button", { type: "button", onclick: take }, make("kbd", {}, String(index + 1)), reading);
      return make("li", {}, button);
    });
    byId("readings").replaceChildren(...items);
    byId("readings-none").hidden = items.length > 0;
    const tab = typed ? (readings[0] ?? typed) : stop?.text;
    const enter = typed && readings[0] && readings[0] !== typed ? `, Enter takes “${typed}”` : "";
    byId("stop-hint").textContent = typed ? `Tab takes “${tab}”${enter}.` : `Tab says that “${tab}” is right.`;
  }

  /** @param {Stop} stop */
  showSame(stop) {
    const others = stop.same.filter((index) => index !== stop.word && this.words.all[index]);
    byId("same").hidden = others.length === 0;
    byId("same-count").textContent = `The same unsure word in ${count(others.length, "other place")}`;
    const items = others.map((index) => {
      const { start, end } = this.words.all[index];
      const hear = () => this.player.play(start - AROUND, end + AROUND);
      const box = make("input", { type: "checkbox", name: "same", value: String(index) });
      const button = make("button", { type: "button", class: "quiet only-icon", onclick: hear }, icon("ear"));
      button.setAttribute("aria-label", `Hear it at ${clock(start)}`);
      const label = make("label", { class: "tick" }, box, make("span", {}, ...this.sentence(index, false)));
      return make("li", {}, button, label);
    });
    byId("same-list").replaceChildren(...items);
  }

  /** The places elsewhere that are to be mended, too. */
  get ticked() {
    return [...document.querySelectorAll("input[name=same]:checked")].map((box) => Number(Reflect.get(box, "value")));
  }

  tickAll() {
    const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("input[name=same]"));
    const isAll = [...boxes].every((box) => box.checked);
    for (const box of boxes) box.checked = !isAll;
  }

  toggleGlossary() {
    this.glossary.checked = !this.glossary.checked;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typed = this.input.value.trim();
    const { readings } = this;
    if (/^[1-5]$/.test(event.key) && !typed) {
      const reading = readings[Number(event.key) - 1];
      if (reading) this.accept(reading);
      else say(`There is no reading ${event.key} here.`);
    } else if (event.key === "Tab" && !event.shiftKey) this.accept(typed ? (readings[0] ?? typed) : null);
    else if (event.key === "Enter" && !event.shiftKey) this.accept(typed || null);
    else if (event.key === "Escape") byId("tab-review").focus();
    else return;
    event.preventDefault();
  }

  /**
   * Take a reading, or none where the word is right as it is, and go on.
   * @param {string | null} reading
   */
  accept(reading) {
    const { stop } = this;
    if (!stop) return;
    const indices = [stop.word, ...this.ticked];
    const toGlossary = this.glossary.checked;
    if (reading !== null) {
      const cues = takeReading(this.subtitles.cues, this.words, indices, reading);
      this.subtitles.change(`“${reading}”`, cues);
    }
    for (const index of indices) this.heard.add(index);
    trying(() => askJson(`jobs/${this.job}/review`, { json: { heard: indices } }));
    if (indices.length > 1) say(`${count(indices.length, "place")} at once.`);
    if (toGlossary) addToGlossary(this.job, reading ?? stop.text, this);
    this.go(1);
  }

  /**
   * To another stop that is still in the text, and, forwards, not heard yet.
   * @param {1 | -1} step
   */
  go(step) {
    const stops = this.bill?.stops ?? [];
    do this.at += step;
    while (step > 0 && this.at < stops.length && this.heard.has(stops[this.at].word));
    this.at = Math.max(0, Math.min(this.at, stops.length));
    this.show();
  }
}

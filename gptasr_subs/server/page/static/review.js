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
 * @typedef {{
 *   word: number, text: string, readings: string[], same: number[], stop: Stop, number: number,
 * }} Ask
 *   One word of a stop, which has this number.
 */

const AROUND = 1; // seconds that are heard before and after the same word elsewhere
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
    /** @type {Ask[]} the words of the stops, in the order of the queue */
    this.asks = [];
    this.at = 0;
    /** @type {Set<number>} words that were heard in this visit */
    this.heard = new Set();
    /** @type {Stop | null} that was played last */
    this.heardStop = null;
    this.budget = /** @type {HTMLSelectElement} */ (byId("budget"));
    this.input = /** @type {HTMLInputElement} */ (byId("stop-text"));
    this.glossary = /** @type {HTMLInputElement} */ (byId("stop-glossary"));
    this.listen();
  }

  listen() {
    this.budget.addEventListener("change", () => this.load());
    this.input.addEventListener("input", () => this.showReadings());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.subtitles.addEventListener("change", () => this.ask && this.showSentence(this.ask));
    byId("stop-none").addEventListener("click", () => this.accept(""));
    byId("stop-right").addEventListener("click", () => this.accept(null));
    byId("stop-again").addEventListener("click", () => this.hear());
    byId("stop-next").addEventListener("click", () => this.go(1));
    byId("stop-back").addEventListener("click", () => this.go(-1));
    byId("same-all").addEventListener("click", () => this.tickAll());
  }

  /** The word that is asked about; none where the queue is over. */
  get ask() {
    return /** @type {Ask | undefined} */ (this.asks[this.at]);
  }

  /** Ask for the queue that fits into the time one has. */
  async load() {
    await this.saver.save();
    const question = `jobs/${this.job}/review?minutes=${this.budget.value}`;
    const bill = await trying(() => askJson(question));
    if (!bill) return;
    this.bill = bill;
    this.asks = /** @type {Bill} */ (bill).stops.flatMap((stop, place) => this.asksOf(stop, place + 1));
    this.at = 0;
    this.showBill();
    this.show();
  }

  /**
   * The words of a stop, each of which is asked about.
   * @param {Stop} stop
   * @param {number} number
   * @returns {Ask[]}
   */
  asksOf(stop, number) {
    const [first, last] = stop.words;
    const members = this.words.all.slice(first, last + 1);
    return members.map(({ text, readings }, place) => {
      const isMain = first + place === stop.word;
      const [others, same] = isMain ? [stop.readings, stop.same] : [readings, []];
      return { word: first + place, text, readings: others, same, stop, number };
    });
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
    const { ask } = this;
    byId("stop").hidden = !ask;
    byId("queue-over").hidden = Boolean(ask);
    if (!ask) {
      this.player.pause();
      return;
    }
    const [first, last] = ask.stop.words;
    const part = last > first ? `, word ${ask.word - first + 1} of ${last - first + 1}` : "";
    byId("stop-count").textContent = `Stop ${ask.number} of ${this.bill?.stops.length}${part}`;
    const place = this.words.placeOf(this.subtitles.cues, ask.word);
    if (place) this.subtitles.select(place.cue);
    this.input.value = "";
    this.glossary.checked = false;
    this.showSentence(ask);
    this.showReadings();
    this.showSame(ask);
    if (!this.player.isPlaying || this.heardStop !== ask.stop) this.hear();
    this.input.focus({ preventScroll: true });
  }

  /** Hear the word again and again, with a second around it. */
  hear() {
    const { ask } = this;
    if (!ask) return;
    this.heardStop = ask.stop;
    this.player.play(ask.stop.start, ask.stop.end, true);
  }

  /** The loop, or silence. */
  toggle() {
    if (this.player.isPlaying) this.player.pause();
    else this.hear();
  }

  /** @param {Ask} ask */
  showSentence(ask) {
    byId("stop-sentence").replaceChildren(...this.sentence(ask.word, true));
    byId("stop-time").textContent = clock(this.words.all[ask.word].start);
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
    const cue = cues[place.cue];
    /** @param {number} cue */
    const neighbour = (cue) =>
      withNeighbours && cues[cue] ? [make("span", { class: "neighbour" }, cues[cue].text.replace(/\n/g, " "))] : [];
    return [
      ...neighbour(place.cue - 1),
      ...this.marked(cue, place.token, withNeighbours),
      ...neighbour(place.cue + 1),
    ];
  }

  /**
   * The text of a cue with one of its words marked, and the others of the stop underlined.
   * @param {import("./types.js").Cue} cue
   * @param {number} token
   * @param {boolean} withRun
   */
  marked(cue, token, withRun) {
    const { tokens, words } = this.words.of(cue);
    const [first, last] = (withRun && this.ask?.stop.words) || [0, -1];
    /** @type {(Node | string)[]} */
    const parts = [];
    let at = 0;
    for (const [place, { from, to, text }] of tokens.entries()) {
      const isInRun = first <= words[place] && words[place] <= last;
      if (place !== token && !isInRun) continue;
      const word = place === token ? make("mark", {}, text) : make("span", { class: "unsure" }, text);
      parts.push(cue.text.slice(at, from), word);
      at = to;
    }
    return [...parts, cue.text.slice(at)];
  }

  /** The other readings that fit to what is typed. */
  get readings() {
    const { ask } = this;
    const typed = plain(this.input.value);
    const others = (ask?.readings ?? []).filter((reading) => plain(reading) !== plain(ask?.text ?? ""));
    return others.slice(0, MOST).filter((reading) => plain(reading).startsWith(typed));
  }

  showReadings() {
    const { readings, ask } = this;
    const typed = this.input.value.trim();
    const items = readings.map((reading, index) => {
      const take = () => this.accept(reading);
      const button = make("button", { type: "button", onclick: take }, make("kbd", {}, String(index + 1)), reading);
      return make("li", {}, button);
    });
    byId("readings").replaceChildren(...items);
    byId("readings-none").hidden = items.length > 0;
    const tab = typed ? (readings[0] ?? typed) : ask?.text;
    const enter = typed && readings[0] && readings[0] !== typed ? `, Enter takes “${typed}”` : "";
    const what = typed ? `Tab takes “${tab}”${enter}` : `Tab says that “${tab}” is right`;
    byId("stop-hint").textContent = `${what}; Esc leaves the field.`;
  }

  /** @param {Ask} ask */
  showSame(ask) {
    const others = ask.same.filter((index) => index !== ask.word && this.words.all[index]);
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
   * Take a reading, or null where the word is right as it is, and go on. An empty one removes it.
   * @param {string | null} reading
   */
  accept(reading) {
    const { ask } = this;
    if (!ask) return;
    const indices = [ask.word, ...this.ticked];
    const toGlossary = this.glossary.checked;
    if (reading !== null) {
      const cues = takeReading(this.subtitles.cues, this.words, indices, reading);
      this.subtitles.change(reading ? `“${reading}”` : "removal of a word", cues);
    }
    for (const index of indices) this.heard.add(index);
    trying(() => askJson(`jobs/${this.job}/review`, { json: { heard: indices } }));
    if (indices.length > 1) say(`${count(indices.length, "place")} at once.`);
    if (toGlossary) addToGlossary(this.job, reading || ask.text, this);
    this.go(1);
  }

  /**
   * To another stop that is still in the text, and, forwards, not heard yet.
   * @param {1 | -1} step
   */
  go(step) {
    const { asks } = this;
    do this.at += step;
    while (step > 0 && this.at < asks.length && this.heard.has(asks[this.at].word));
    this.at = Math.max(0, Math.min(this.at, asks.length));
    this.show();
  }
}

// Which norms the cues break, by the rules of `gptasr-subs lint`, while one edits.

import { askJson, Refusal } from "./api.js";

/**
 * @typedef {import("./types.js").Fault} Fault
 * @typedef {import("./types.js").Cue} Cue
 */

const REST = 500; // milliseconds after the last change
/** @type {Fault[]} */
const NONE = [];

/** Tells "change" when the server has judged the cues anew. */
export class Faults extends EventTarget {
  /**
   * @param {number} job
   * @param {import("./subtitles.js").Subtitles} subtitles
   */
  constructor(job, subtitles) {
    super();
    this.job = job;
    this.subtitles = subtitles;
    /** @type {Map<string | number, Fault[]>} */
    this.byCue = new Map();
    this.count = 0;
    this.timer = 0;
    this.asking = new AbortController();
    subtitles.addEventListener("change", () => this.plan());
  }

  /**
   * Those of one cue.
   * @param {string | number} id
   */
  of(id) {
    return this.byCue.get(id) ?? NONE;
  }

  plan() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), REST);
  }

  async ask() {
    clearTimeout(this.timer);
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    try {
      const question = { json: { cues: this.subtitles.cues }, signal };
      const { faults } = await askJson(`jobs/${this.job}/lint`, question);
      if (!signal.aborted) this.take(faults);
    } catch (error) {
      if (!signal.aborted && !(error instanceof Refusal)) throw error;
    }
  }

  /** @param {Fault[]} faults */
  take(faults) {
    /** @type {Map<string | number, Fault[]>} */
    const byCue = new Map();
    for (const fault of faults) {
      const own = byCue.get(fault.cue);
      if (own) own.push(fault);
      else byCue.set(fault.cue, [fault]);
    }
    for (const [id, now] of byCue) {
      const before = this.byCue.get(id); // kept where nothing has changed, so that rows stay
      if (before && JSON.stringify(before) === JSON.stringify(now)) byCue.set(id, before);
    }
    this.byCue = byCue;
    this.count = faults.length;
    this.dispatchEvent(new Event("change"));
  }

  /** The index of the next cue with a fault, from the top again after the last one; -1 for none. */
  next() {
    const { cues, selected } = this.subtitles;
    for (let step = 1; step <= cues.length; step++) {
      const index = (selected + step) % cues.length;
      if (this.byCue.has(cues[index].id)) return index;
    }
    return -1;
  }

  /**
   * The cues as `gptasr-subs fix` would have them.
   * @returns {Promise<Cue[]>}
   */
  async fixed() {
    const { cues } = await askJson(`jobs/${this.job}/fix`, { json: { cues: this.subtitles.cues } });
    return cues;
  }
}

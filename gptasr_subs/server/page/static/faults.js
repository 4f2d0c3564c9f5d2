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
    /** @type {Cue[]} those that were judged last */
    this.judged = [];
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
    const { cues } = this.subtitles;
    const [first, last] = changedRange(this.judged, cues);
    try {
      const question = { json: { cues: cues.slice(Math.max(0, first - 2), last + 2) }, signal };
      const { faults } = await askJson(`jobs/${this.job}/lint`, question);
      if (!signal.aborted) this.take(faults, cues, cues.slice(Math.max(0, first - 1), last + 1));
    } catch (error) {
      if (!signal.aborted && !(error instanceof Refusal)) throw error;
    }
  }

  /**
   * @param {Fault[]} faults
   * @param {Cue[]} cues all there were
   * @param {Cue[]} judged those whose faults these are
   */
  take(faults, cues, judged) {
    const found = Map.groupBy(faults, (fault) => fault.cue);
    const isNew = new Set(judged.map((cue) => cue.id));
    const byCue = new Map();
    for (const { id } of cues) {
      const own = (isNew.has(id) ? found : this.byCue).get(id);
      if (own) byCue.set(id, own);
    }
    this.byCue = byCue;
    this.judged = cues;
    this.count = [...byCue.values()].reduce((sum, own) => sum + own.length, 0);
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

/**
 * From which on and up to which cues are not as they were before. A cue is judged by those beside it,
 * so that the others need not be judged again.
 * @param {Cue[]} before
 * @param {Cue[]} now
 */
function changedRange(before, now) {
  let first = 0;
  while (first < now.length && now[first] === before[first]) first++;
  let last = now.length;
  let old = before.length;
  while (last > first && old > first && now[last - 1] === before[old - 1]) {
    last--;
    old--;
  }
  return [first, last];
}

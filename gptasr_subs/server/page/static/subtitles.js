// The cues of a film while they are edited: which one is selected, and what was done.

/**
 * @typedef {import("./types.js").Cue} Cue
 * @typedef {{ cues: Cue[], selected: number, label: string }} Step
 */

const LONGEST_PAUSE = 1500; // milliseconds within which changes of one kind are one step
const MOST_STEPS = 1000;

/**
 * Tells "change" when the cues have changed, and "select" when another one is selected.
 */
export class Subtitles extends EventTarget {
  /** @param {Cue[]} cues */
  constructor(cues) {
    super();
    this.cues = cues;
    this.selected = 0;
    /** @type {Step[]} */
    this.done = [];
    /** @type {Step[]} */
    this.undone = [];
    this.last = { kind: "", time: 0 };
  }

  /** The cue that is selected, if there is any. */
  get cue() {
    return /** @type {Cue | undefined} */ (this.cues[this.selected]);
  }

  /** @param {number} index */
  select(index) {
    const bounded = Math.max(0, Math.min(index, this.cues.length - 1));
    if (bounded === this.selected) return;
    this.selected = bounded;
    this.last.kind = "";
    this.dispatchEvent(new Event("select"));
  }

  /**
   * Do something that can be undone.
   * @param {string} label what it is, for the buttons of undo and redo
   * @param {Cue[] | null} cues afterwards; null or the same where nothing happens
   * @param {{ selected?: number, kind?: string }} [how] changes of the same kind that follow each other
   *   closely are one step
   */
  change(label, cues, { selected, kind = "" } = {}) {
    if (!cues || cues === this.cues) return;
    const now = performance.now();
    const isSame = kind !== "" && kind === this.last.kind && now - this.last.time < LONGEST_PAUSE;
    if (!isSame) this.done.push({ cues: this.cues, selected: this.selected, label });
    if (this.done.length > MOST_STEPS) this.done.shift();
    this.undone = [];
    this.last = { kind, time: now };
    const id = this.cue?.id;
    this.show(cues, selected ?? cues.findIndex((cue) => cue.id === id));
  }

  /** Take the last step back; whether there was one. */
  undo() {
    return this.step(this.done, this.undone);
  }

  /** Do again what was taken back. */
  redo() {
    return this.step(this.undone, this.done);
  }

  /**
   * Show older cues, as if undo had reached them.
   * @param {Cue[]} cues
   */
  goBack(cues) {
    this.undone.push({ cues: this.cues, selected: this.selected, label: "earlier visit" });
    this.last.kind = "";
    this.show(cues, this.selected);
  }

  /**
   * Begin anew with cues that the server has; nothing can be undone then.
   * @param {Cue[]} cues
   */
  reset(cues) {
    this.done = [];
    this.undone = [];
    this.show(cues, this.selected);
  }

  /**
   * @param {Step[]} from
   * @param {Step[]} to
   */
  step(from, to) {
    const step = from.pop();
    if (!step) return false;
    to.push({ cues: this.cues, selected: this.selected, label: step.label });
    this.last.kind = "";
    this.show(step.cues, step.selected);
    return true;
  }

  /**
   * @param {Cue[]} cues
   * @param {number} selected
   */
  show(cues, selected) {
    const before = this.selected;
    this.cues = cues;
    this.selected = Math.max(0, Math.min(selected < 0 ? before : selected, cues.length - 1));
    this.dispatchEvent(new Event("change"));
    if (this.selected !== before) this.dispatchEvent(new Event("select"));
  }
}

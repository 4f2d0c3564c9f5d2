// What is edited is saved by itself, each time as a version. A tab that was overtaken by another asks.

import { ask, askJson, Refusal } from "./api.js";
import { say } from "./dom.js";

/** @typedef {import("./types.js").Cue} Cue */

const REST = 800; // milliseconds after the last change
const LONGEST = 5000; // milliseconds that a change waits at most
const AGAIN = 3000; // milliseconds between two tries without an answer

/**
 * Tells "state" when ``state`` changes: "saved", "unsaved", "saving", "offline", "collision" or
 * "refused".
 */
export class Saver extends EventTarget {
  /**
   * @param {number} job
   * @param {import("./subtitles.js").Subtitles} subtitles
   * @param {string} etag of what they were read from
   */
  constructor(job, subtitles, etag) {
    super();
    this.path = `jobs/${job}/document`;
    this.draftKey = `gptasr-subs draft ${job}`;
    this.subtitles = subtitles;
    this.etag = etag;
    this.state = "saved";
    this.reason = "";
    /** @type {Refusal | null} what another tab has saved */
    this.collision = null;
    this.saved = subtitles.cues;
    this.sent = subtitles.cues; // last, whether or not it was answered
    this.timer = 0;
    this.due = 0;
    subtitles.addEventListener("change", () => this.note());
    addEventListener("pagehide", () => this.keepDraft());
    addEventListener("visibilitychange", () => document.hidden && this.isDirty && this.save());
    addEventListener("beforeunload", (event) => this.isDirty && event.preventDefault());
  }

  get isDirty() {
    return this.subtitles.cues !== this.saved;
  }

  /** Something has changed: save it soon. */
  note() {
    if (!this.isDirty || this.state === "saving" || this.state === "collision") return;
    const now = performance.now();
    if (this.state === "saved") this.due = now + LONGEST;
    this.tell(this.state === "offline" ? "offline" : "unsaved");
    this.plan(Math.max(0, Math.min(REST, this.due - now)));
  }

  /** @param {number} milliseconds */
  plan(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), milliseconds);
  }

  /** Save now. */
  async save() {
    clearTimeout(this.timer);
    if (!this.isDirty || this.state === "saving" || this.state === "collision") return;
    this.tell("saving");
    const { cues } = this.subtitles;
    try {
      await this.put(cues, this.etag);
      this.tell("saved");
      this.note();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refuse(error);
    }
  }

  /**
   * @param {Cue[]} cues
   * @param {string} etag that is replaced
   */
  async put(cues, etag) {
    this.sent = cues;
    const answer = await ask(this.path, {
      method: "PUT",
      json: { cues },
      headers: { "if-match": etag },
    });
    this.etag = answer.headers.get("etag") ?? etag;
    this.saved = cues;
    localStorage.removeItem(this.draftKey);
    const { remark } = await answer.json(); // of subtitle files that could not be written
    if (remark) say(remark, "bad");
  }

  /** @param {Refusal} error */
  refuse(error) {
    this.reason = error.message;
    this.keepDraft();
    if (error.status === 412 && isSame(error.body?.cues, this.sent)) {
      this.etag = error.etag ?? this.etag; // an earlier try was saved, only its answer was lost
      this.saved = this.sent;
      this.tell("saved");
      this.note();
    } else if (error.status === 412) {
      this.collision = error;
      this.tell("collision");
    } else if (error.status === 0 || error.status >= 500) {
      this.tell("offline");
      this.plan(AGAIN);
    } else this.tell("refused");
  }

  /**
   * After a collision: go on with our cues or with those of the other tab. Both become versions, so
   * nothing is lost.
   * @param {"ours" | "theirs"} choice
   */
  async settle(choice) {
    const theirs = await askJsonWithTag(this.path);
    await this.put(this.subtitles.cues, theirs.etag);
    if (choice === "theirs") {
      await this.put(theirs.body.cues, this.etag);
      this.subtitles.reset(theirs.body.cues);
      this.saved = this.subtitles.cues;
    }
    this.collision = null;
    this.tell("saved");
    this.note();
  }

  /** Take what another tab has saved meanwhile, where nothing is unsaved here; whether there was any. */
  async catchUp() {
    if (this.isDirty || this.state !== "saved") return false;
    const before = this.etag;
    const answer = await ask(this.path, { headers: { "if-none-match": before } });
    if (answer.status === 304 || answer.headers.get("etag") === before) return false;
    const { cues } = await answer.json();
    // What was edited or saved while it was asked is newer
    if (this.isDirty || this.state !== "saved" || this.etag !== before) return false;
    this.etag = answer.headers.get("etag") ?? this.etag;
    this.saved = cues;
    this.subtitles.reset(cues);
    return true;
  }

  /** Keep what is not saved in the browser. */
  keepDraft() {
    if (!this.isDirty) return;
    try {
      const draft = { etag: this.etag, cues: this.subtitles.cues };
      localStorage.setItem(this.draftKey, JSON.stringify(draft));
    } catch {
      // The browser has no room for it; the tab itself still has it.
    }
  }

  /**
   * What an earlier visit could not save, once.
   * @returns {{ etag: string, cues: Cue[] } | null}
   */
  takeDraft() {
    const draft = localStorage.getItem(this.draftKey);
    localStorage.removeItem(this.draftKey);
    return draft ? JSON.parse(draft) : null;
  }

  /** @param {string} state */
  tell(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

/**
 * @param {Cue[] | undefined} theirs
 * @param {Cue[]} ours
 */
function isSame(theirs, ours) {
  if (theirs?.length !== ours.length) return false;
  return ours.every((cue, place) => {
    const { id, start, end, text } = theirs[place];
    return id === cue.id && start === cue.start && end === cue.end && text === cue.text;
  });
}

/** @param {string} path */
async function askJsonWithTag(path) {
  const answer = await ask(path);
  return { etag: answer.headers.get("etag") ?? "", body: await answer.json() };
}

/**
 * The versions of a film's subtitles, the newest first.
 * @param {number} job
 * @returns {Promise<{ version: number, saved: number, cues: number }[]>}
 */
export async function versionsOf(job) {
  const { versions } = await askJson(`jobs/${job}/versions`);
  return versions.toReversed();
}

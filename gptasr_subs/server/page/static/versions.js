// Versions: everything that was saved can be had again, and undo reaches beyond this visit.

import { askJson } from "./api.js";
import { byId, icon, make, say, trying } from "./dom.js";
import { count, moment } from "./format.js";
import { versionsOf } from "./saving.js";

/** @typedef {import("./types.js").Cue} Cue */

const SHOWN = 200;

export class Versions {
  /**
   * @param {number} job
   * @param {import("./subtitles.js").Subtitles} subtitles
   * @param {import("./saving.js").Saver} saver
   */
  constructor(job, subtitles, saver) {
    this.job = job;
    this.subtitles = subtitles;
    this.saver = saver;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("versions"));
    /** @type {number[] | null} those before this visit, the newest last, that undo has not reached */
    this.past = null;
    byId("versions-close").addEventListener("click", () => this.dialog.close());
  }

  /** Note which versions are older than this visit. @param {number} current */
  begin(current) {
    this.current = current;
  }

  /** Take back one step: of this visit, or of those before. */
  async undo() {
    if (this.subtitles.undo()) return;
    await trying(() => this.undoPast());
  }

  async undoPast() {
    if (!this.past) {
      const all = await versionsOf(this.job);
      this.past = all.map(({ version }) => version).filter((version) => version < (this.current ?? 0)).toReversed();
    }
    for (;;) {
      const version = this.past.pop();
      if (version === undefined) {
        say("This is how the film was recognised. There is nothing before it.");
        return;
      }
      const cues = await this.read(version);
      if (sameCues(cues, this.subtitles.cues)) continue;
      this.subtitles.goBack(cues);
      say(`Version ${version}, from an earlier visit. Redo goes forward again.`);
      return;
    }
  }

  /**
   * @param {number} version
   * @returns {Promise<Cue[]>}
   */
  async read(version) {
    const { cues } = await askJson(`jobs/${this.job}/versions/${version}`);
    return cues;
  }

  async open() {
    await this.saver.save();
    const all = await trying(() => versionsOf(this.job));
    if (!all) return;
    const rows = all.slice(0, SHOWN).map(({ version, saved, cues }, index) => {
      const words = make("span", { class: "grow" }, make("b", {}, `Version ${version}`), make("span", { class: "soft" }, ` · ${moment(saved)} · ${count(cues, "subtitle")}`));
      const take = () => this.take(version);
      const button = make("button", { type: "button", onclick: take }, icon("undo"), "Go back");
      button.setAttribute("aria-label", `Go back to version ${version}`);
      return make("li", { class: "row" }, words, index ? button : make("span", { class: "soft" }, "the present one"));
    });
    byId("versions-list").replaceChildren(...rows);
    this.dialog.showModal();
  }

  /** @param {number} version */
  async take(version) {
    this.dialog.close();
    const cues = await trying(() => this.read(version));
    if (!cues) return;
    this.subtitles.change(`version ${version}`, cues);
    say(`This is version ${version} again. Undo takes that back.`);
  }
}

/**
 * @param {Cue[]} a
 * @param {Cue[]} b
 */
function sameCues(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}

// All commands, with their keys and their buttons.

import { byId, say, trying } from "./dom.js";
import { count } from "./format.js";
import { showKeys } from "./keys.js";

/**
 * @typedef {import("./keys.js").Command} Command
 * @typedef {{
 *   subtitles: import("./subtitles.js").Subtitles, player: import("./player.js").Player,
 *   saver: import("./saving.js").Saver, faults: import("./faults.js").Faults,
 *   wave: import("./wave.js").Wave, edit: import("./edit.js").EditPanel,
 *   review: import("./review.js").Review, find: import("./find.js").Find,
 *   versions: import("./versions.js").Versions, list: import("./list.js").CueList,
 *   tabs: { readonly isReview: boolean, toggle(): void },
 * }} Editor
 */

const BUTTONS = /** @type {Record<string, string>} */ ({
  "Ctrl+Z": "do-undo",
  "Ctrl+Y": "do-redo",
  "Ctrl+F": "do-find",
  F8: "do-fault",
  "Ctrl+Shift+F": "do-fix",
  "?": "do-keys",
  F5: "do-play",
  F11: "do-in",
  F12: "do-out",
  "Ctrl+Alt+V": "do-split",
  "Ctrl+Shift+M": "do-merge",
  Insert: "do-insert",
  Delete: "do-delete",
});

/**
 * The commands of the editor; those that have a button run by it, too.
 * @param {Editor} editor
 * @returns {Command[]}
 */
export function commandsOf(editor) {
  const all = [...playing(editor), ...moving(editor), ...editing(editor), ...reviewing(editor), ...whole(editor)];
  all.push({ group: "Everything", keys: ["?", "F1"], label: "These keys", run: () => showKeys(all) });
  for (const { keys, run } of all) {
    const button = BUTTONS[keys[0]];
    // The text keeps its cursor, which says where to split
    if (button && run) {
      byId(button).addEventListener("pointerdown", (event) => event.preventDefault());
      byId(button).addEventListener("click", () => run());
    }
  }
  byId("do-versions").addEventListener("click", () => editor.versions.open());
  return all;
}

/**
 * @param {Editor} editor
 * @returns {Command[]}
 */
function playing({ player, edit, review, tabs, wave }) {
  const group = "Play";
  const toggle = () => (tabs.isReview ? review.toggle() : player.toggle());
  const playCue = () => (tabs.isReview ? review.hear() : edit.play());
  return [
    { group, keys: ["Ctrl+P", "Space"], label: "Play or pause", run: toggle },
    { group, keys: ["F5"], label: "Play the subtitle; in the review, hear the word again", run: playCue },
    { group, keys: ["F6"], label: "To the start of the subtitle", run: () => edit.goToStart() },
    { group, keys: ["Alt+ArrowLeft"], label: "Half a second back", run: () => player.seek(player.time - 0.5) },
    { group, keys: ["Alt+ArrowRight"], label: "Half a second on", run: () => player.seek(player.time + 0.5) },
    { group, keys: ["+"], label: "Waveform larger", run: () => wave.zoom(0.8) },
    { group, keys: ["-"], label: "Waveform smaller", run: () => wave.zoom(1.25) },
  ];
}

/**
 * @param {Editor} editor
 * @returns {Command[]}
 */
function moving({ subtitles, faults, find, review, tabs }) {
  const group = "Move";
  /** @param {1 | -1} step */
  const go = (step) => {
    if (tabs.isReview) review.go(step);
    else subtitles.select(subtitles.selected + step);
  };
  const nextFault = () => {
    const index = faults.next();
    if (index < 0) say("No subtitle breaks a norm.");
    else subtitles.select(index);
  };
  return [
    { group, keys: ["Alt+ArrowDown", "Shift+Enter"], label: "Next subtitle; in the review, next stop", run: () => go(1) },
    { group, keys: ["Alt+ArrowUp"], label: "The one before", run: () => go(-1) },
    { group, keys: ["Enter"], label: "From the list into the text; Esc leads back", run: () => byId("cue-text").focus() },
    { group, keys: ["F8"], label: "Next fault", run: nextFault },
    { group, keys: ["Ctrl+F"], label: "Find", run: () => find.open() },
    { group, keys: ["F3"], label: "Find next", run: () => find.go(1) },
    { group, keys: ["Shift+F3"], label: "Find previous", run: () => find.go(-1) },
    { group, keys: ["Ctrl+H"], label: "Replace", run: () => find.open("find-instead") },
  ];
}

/**
 * @param {Editor} editor
 * @returns {Command[]}
 */
function editing({ edit }) {
  const group = "Edit";
  return [
    { group, keys: ["F11", "["], label: "Begins here", run: () => edit.set("start") },
    { group, keys: ["F12", "]"], label: "Ends here", run: () => edit.set("end") },
    { group, keys: ["F10"], label: "Ends here, and on to the next", run: () => edit.setEndAndGoOn() },
    { group, keys: ["Ctrl+Alt+V"], label: "Split at the word: that of the cursor, else the one being said", run: () => edit.split() },
    { group, keys: ["Ctrl+Shift+M"], label: "Merge with the next", run: () => edit.merge() },
    { group, keys: ["Ctrl+Shift+L"], label: "Break the lines anew", run: () => edit.breakLines() },
    { group, keys: ["Insert", "Alt+Insert"], label: "New subtitle here", run: () => edit.insert() },
    { group, keys: ["Delete"], label: "Delete the subtitle", run: () => edit.remove() },
  ];
}

/**
 * @param {Editor} editor
 * @returns {Command[]}
 */
function reviewing({ review, tabs }) {
  const group = "Review";
  return [
    { group, keys: ["F2"], label: "Review what is unsure, or back to editing", run: () => tabs.toggle() },
    { group, keys: ["1 to 5"], label: "Take one of the other readings" },
    { group, keys: ["Tab"], label: "Take the first reading that fits what is typed; with nothing typed, the word is right" },
    { group, keys: ["Enter"], label: "Take exactly what is typed" },
    { group, keys: ["Alt+0"], label: "Nothing is said there", run: () => tabs.isReview && review.accept("") },
    { group, keys: ["Alt+A"], label: "Mend the same word everywhere", run: () => tabs.isReview && review.tickAll() },
    { group, keys: ["Alt+G"], label: "Also to the glossary", run: () => tabs.isReview && review.toggleGlossary() },
  ];
}

/**
 * @param {Editor} editor
 * @returns {Command[]}
 */
function whole({ subtitles, saver, faults, versions }) {
  const group = "Everything";
  const fix = () =>
    trying(async () => {
      const before = subtitles.cues;
      const fixed = await faults.fixed();
      if (subtitles.cues !== before) return; // edited meanwhile
      const changed = changedCues(before, fixed);
      if (!changed) {
        say("All subtitles are within the norms, as far as they can be.");
        return;
      }
      subtitles.change("fix", fixed);
      say(`${count(changed, "subtitle")} brought within the norms. Undo takes it back.`);
    });
  return [
    { group, keys: ["Ctrl+S"], label: "Save now; it is saved by itself, too", run: () => saver.save() },
    { group, keys: ["Ctrl+Z"], label: "Undo, also what was done in earlier visits", run: () => versions.undo() },
    { group, keys: ["Ctrl+Y", "Ctrl+Shift+Z"], label: "Redo", run: () => subtitles.redo() },
    { group, keys: ["Ctrl+Shift+F"], label: "Bring all within the norms", run: fix },
  ];
}

/**
 * How many of the cues are not as they were.
 * @param {import("./types.js").Cue[]} before
 * @param {import("./types.js").Cue[]} after
 */
function changedCues(before, after) {
  const known = new Set(before.map(({ start, end, text }) => `${start} ${end} ${text}`));
  return after.filter(({ start, end, text }) => !known.has(`${start} ${end} ${text}`)).length;
}

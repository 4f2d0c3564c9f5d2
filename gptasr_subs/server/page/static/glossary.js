// A word for the glossary: the windows where it could be said are read again, and what that would
// change is shown before it is taken.

import { ask, askJson } from "./api.js";
import { byId, icon, make, say, trying } from "./dom.js";
import { takeChange } from "./edits.js";
import { clock, count } from "./format.js";

/**
 * @typedef {import("./types.js").Change} Change
 * @typedef {{
 *   subtitles: import("./subtitles.js").Subtitles, words: import("./words.js").Words,
 *   player: import("./player.js").Player, saver: import("./saving.js").Saver,
 * }} Parts
 */

const dialog = /** @type {HTMLDialogElement} */ (byId("changes"));
byId("changes-close").addEventListener("click", () => dialog.close(""));
byId("changes-none").addEventListener("click", () => dialog.close(""));
byId("changes-take").addEventListener("click", () => dialog.close("take"));

/**
 * Add a term to the film's glossary, and offer what it changes elsewhere.
 * @param {number} job
 * @param {string} text
 * @param {Parts} parts
 */
export async function addToGlossary(job, text, parts) {
  const term = text.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "");
  await parts.saver.save();
  const waiting = say(`“${term}” goes to the glossary, and the film is read again where it could be said …`, "wait");
  const changes = await trying(async () => {
    await ask(`jobs/${job}/glossary`, { json: { term } });
    const answer = await askJson(`jobs/${job}/reread`, { json: {} });
    if (answer.error) throw new Error(answer.error); // it had begun to answer before it failed
    return /** @type {Change[]} */ (answer.changes);
  });
  waiting.remove();
  if (!changes) return;
  if (changes.length) await offer(term, changes, parts);
  else say(`“${term}” changes nothing elsewhere.`);
}

/**
 * @param {string} term
 * @param {Change[]} changes
 * @param {Parts} parts
 */
async function offer(term, changes, { subtitles, words, player }) {
  if (dialog.open) dialog.close("");
  player.pause();
  byId("changes-title").textContent = `With “${term}” expected, ${count(changes.length, "place")} would read otherwise`;
  const boxes = changes.map(() => make("input", { type: "checkbox", checked: true }));
  byId("changes-list").replaceChildren(
    ...changes.map(({ start, end, before, after }, index) => {
      const hear = () => player.play(start, end);
      const button = make("button", { type: "button", class: "quiet only-icon", onclick: hear }, icon("ear"));
      button.setAttribute("aria-label", `Hear it at ${clock(start)}`);
      const texts = make("span", { class: "change" }, make("del", {}, before), make("ins", {}, after));
      return make("li", {}, button, make("label", { class: "tick" }, boxes[index], texts));
    }),
  );
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  player.pause();
  if (dialog.returnValue !== "take") return;
  const taken = changes.filter((_, index) => boxes[index].checked);
  let { cues } = subtitles;
  for (const change of taken) cues = takeChange(cues, words, change);
  subtitles.change(`glossary: ${term}`, cues);
  say(`${count(taken.length, "place")} changed. Undo takes it back.`);
}

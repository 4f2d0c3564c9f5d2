// Two windows have changed one film: a choice, after which both are versions.

import { byId, make, say, trying } from "./dom.js";
import { clock, count } from "./format.js";

/** @typedef {import("./types.js").Cue} Cue */

const SHOWN = 5;

/**
 * Let the user choose whose subtitles go on.
 * @param {import("./saving.js").Saver} saver
 */
export async function collide(saver) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("collision"));
  if (dialog.open) return;
  const theirs = saver.collision?.body?.cues;
  byId("collision-list").replaceChildren(...(theirs ? differences(saver.subtitles.cues, theirs) : []));
  byId("take-ours").onclick = () => dialog.close("ours");
  byId("take-theirs").onclick = () => dialog.close("theirs");
  dialog.oncancel = (event) => event.preventDefault(); // there is no third way
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  const choice = dialog.returnValue === "theirs" ? "theirs" : "ours";
  const done = await trying(async () => {
    await saver.settle(choice);
    return true;
  });
  if (done) say("The other subtitles are kept under Versions.");
  else setTimeout(() => collide(saver), 3000);
}

/**
 * @param {Cue[]} ours
 * @param {Cue[]} theirs
 */
function differences(ours, theirs) {
  const [here, there] = [byIds(ours), byIds(theirs)];
  const ids = [...new Set([...here.keys(), ...there.keys()])];
  const other = ids.filter((id) => wordsOf(here.get(id)) !== wordsOf(there.get(id)));
  const rows = other.slice(0, SHOWN).map((id) => {
    const time = clock((here.get(id) ?? there.get(id))?.start ?? 0);
    const mine = make("p", {}, make("b", {}, "Mine: "), wordsOf(here.get(id)));
    const other = make("p", {}, make("b", {}, "Other: "), wordsOf(there.get(id)));
    return make("li", {}, make("span", { class: "soft figures" }, time), make("div", {}, mine, other));
  });
  const more = other.length - rows.length;
  if (more > 0) rows.push(make("li", {}, `and ${count(more, "more subtitle")} that differ`));
  return rows;
}

/** @param {Cue[]} cues */
function byIds(cues) {
  return new Map(cues.map((cue) => [cue.id, cue]));
}

/** @param {Cue | undefined} cue */
function wordsOf(cue) {
  return cue ? `${cue.text.replace(/\n/g, " / ")} (${clock(cue.start, 2)} to ${clock(cue.end, 2)})` : "not there";
}

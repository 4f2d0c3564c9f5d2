// The editor of one film: puts its parts together.

import { ask, Refusal } from "./api.js";
import { collide } from "./collision.js";
import { commandsOf } from "./commands.js";
import { byId, icon, make, say, tendMenus, trying } from "./dom.js";
import { EditPanel } from "./edit.js";
import { Faults } from "./faults.js";
import { Find } from "./find.js";
import { count } from "./format.js";
import { listenToKeys } from "./keys.js";
import { CueList } from "./list.js";
import { Player } from "./player.js";
import { Review } from "./review.js";
import { downloadMenu } from "./rows.js";
import { Saver } from "./saving.js";
import { Subtitles } from "./subtitles.js";
import { Versions } from "./versions.js";
import { waitFor } from "./waiting.js";
import { Wave } from "./wave.js";
import { cueAt, Words } from "./words.js";

/** @typedef {import("./types.js").FilmDocument} FilmDocument */

const JOB = Number(/films\/(\d+)/.exec(location.pathname)?.[1]);
const SAVED = /** @type {Record<string, [string, string]>} */ ({
  saved: ["check", "Saved"],
  unsaved: ["clock", "Not saved yet"],
  saving: ["clock", "Saving …"],
  offline: ["warn", "The server does not answer; kept here, tried again"],
  collision: ["alert", "Changed elsewhere, too"],
  refused: ["alert", "Not saved"],
});

tendMenus();
trying(begin);

/** Open the film, as soon as it is there. */
async function begin() {
  try {
    const answer = await ask(`jobs/${JOB}/document`);
    open(await answer.json(), answer.headers.get("etag") ?? "");
  } catch (error) {
    if (!(error instanceof Refusal) || ![404, 409].includes(error.status)) throw error;
    await waitFor(JOB, error.message);
    await begin();
  }
}

/**
 * @param {FilmDocument} film
 * @param {string} etag
 */
function open(film, etag) {
  document.body.classList.remove("is-waiting");
  byId("waiting").hidden = true;
  byId("editor").hidden = false;
  document.title = `${film.title} · gptasr-subs`;
  byId("title").textContent = film.title;
  byId("wave").setAttribute("aria-valuemax", String(Math.ceil(film.duration)));
  const subtitles = new Subtitles(film.cues);
  const words = new Words(film.words);
  const player = new Player(JOB, film, subtitles);
  const saver = new Saver(JOB, subtitles, etag);
  const faults = new Faults(JOB, subtitles);
  const parts = { subtitles, words, player, saver, faults };
  const list = new CueList(subtitles, words, faults);
  const wave = new Wave(JOB, film, parts);
  const edit = new EditPanel(film, parts);
  const review = new Review(JOB, parts);
  const find = new Find(subtitles);
  const versions = new Versions(JOB, subtitles, saver);
  versions.begin(film.version);
  player.addEventListener("time", () => followPlayer(player, subtitles, list));
  player.addEventListener("playing", () => list.follow(-1));
  saver.addEventListener("state", () => showSaved(saver));
  faults.addEventListener("change", () => showFaults(faults));
  subtitles.addEventListener("change", () => showSteps(subtitles));
  addEventListener("focus", () => trying(() => catchUp(saver)));
  const tabs = tabsFor(review);
  const commands = commandsOf({ ...parts, list, wave, edit, review, find, versions, tabs });
  listenToKeys(commands);
  offerDownload(film.title, saver);
  showSaved(saver);
  showSteps(subtitles);
  offerDraft(saver);
  faults.ask();
  performance.mark("usable");
  if (new URLSearchParams(location.search).has("review")) tabs.toggle();
}

/**
 * While the film plays, mark the cue that is heard; select it, unless one is working on another.
 * @param {Player} player
 * @param {Subtitles} subtitles
 * @param {CueList} list
 */
function followPlayer(player, subtitles, list) {
  if (!player.isPlaying) return;
  const index = cueAt(subtitles.cues, player.time);
  const cue = subtitles.cues[index];
  const isHeard = cue && cue.start <= player.time && player.time < cue.end;
  list.follow(isHeard ? index : -1);
  const isWorking = document.activeElement?.closest(".side") || player.stretch;
  if (isHeard && !isWorking) subtitles.select(index);
}

/** @param {Saver} saver */
function showSaved(saver) {
  const [picture, words] = SAVED[saver.state];
  const place = byId("saved");
  place.dataset.state = saver.state;
  place.replaceChildren(icon(picture), words);
  if (saver.state === "refused") say(saver.reason, "bad");
  if (saver.state === "collision") collide(saver);
}

/** @param {Faults} faults */
function showFaults(faults) {
  const [number, noun] = count(faults.count, "fault").split(" ");
  byId("fault-count").replaceChildren(number, make("span", { class: "words" }, ` ${noun}`));
  Reflect.set(byId("do-fault"), "disabled", faults.count === 0);
}

/** @param {Subtitles} subtitles */
function showSteps(subtitles) {
  const undo = subtitles.done.at(-1)?.label;
  const redo = subtitles.undone.at(-1)?.label;
  byId("do-undo").title = undo ? `Undo: ${undo} (Ctrl+Z)` : "Undo, also what was done in earlier visits (Ctrl+Z)";
  byId("do-redo").title = redo ? `Redo: ${redo} (Ctrl+Y)` : "Redo (Ctrl+Y)";
  Reflect.set(byId("do-redo"), "disabled", !redo);
}

/**
 * What is downloaded has everything that was edited.
 * @param {string} title
 * @param {Saver} saver
 */
function offerDownload(title, saver) {
  const menu = downloadMenu(JOB, title);
  byId("download").replaceChildren(menu);
  menu.addEventListener("click", async (event) => {
    const link = event.target instanceof Element && event.target.closest("a");
    if (!link || !saver.isDirty) return;
    event.preventDefault();
    await saver.save();
    if (saver.isDirty) say("The newest changes cannot be saved now, so they are not in the file.", "bad");
    else link.click();
  });
}

/** @param {Saver} saver */
async function catchUp(saver) {
  if (await saver.catchUp()) say("Another window has changed this film; this is its newest version.");
}

/**
 * What an earlier visit could not save is a change like any other now.
 * @param {Saver} saver
 */
function offerDraft(saver) {
  const draft = saver.takeDraft();
  if (!draft) return;
  saver.subtitles.change("what was not saved", draft.cues);
  say("Changes that an earlier visit could not save are back. Undo drops them.");
}

/**
 * The two tabs beside the list, with the keys that tabs have.
 * @param {Review} review
 */
function tabsFor(review) {
  const tabs = [byId("tab-edit"), byId("tab-review")];
  const panels = [byId("panel-edit"), byId("panel-review")];
  /** @param {number} chosen */
  const show = (chosen) => {
    for (const [index, tab] of tabs.entries()) {
      tab.setAttribute("aria-selected", String(index === chosen));
      tab.tabIndex = index === chosen ? 0 : -1;
      panels[index].hidden = index !== chosen;
    }
    if (chosen) review.enter();
    else review.leave();
  };
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => show(index));
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      event.preventDefault();
      show(1 - index);
      tabs[1 - index].focus();
    });
  }
  return {
    get isReview() {
      return !panels[1].hidden;
    },
    toggle() {
      show(panels[1].hidden ? 1 : 0);
      if (panels[1].hidden) byId("cue-text").focus();
    },
  };
}

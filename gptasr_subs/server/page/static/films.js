// The page of all films: what is dropped, what waits, what is being written, what is done.

import { ask, askJson, Refusal } from "./api.js";
import { byId, say, tendMenus, trying } from "./dom.js";
import { chooseFromFolders } from "./folders.js";
import { count } from "./format.js";
import { JobRow, UploadRow } from "./rows.js";
import { forget, upload } from "./upload.js";

/** @typedef {import("./types.js").Job} Job */

const LOOK = 3000; // milliseconds between two looks at the queue
const FIRST = 50; // films that are shown until one asks for all

const list = byId("films");
/** @type {Map<number, JobRow>} */
const rows = new Map();
let showsAll = false;
let isLost = false;

tendMenus();
takeFiles();
offerFolders();
byId("more").addEventListener("click", () => {
  showsAll = true;
  refresh();
});
addEventListener("visibilitychange", () => document.hidden || refresh());
addEventListener("film-changed", () => refresh());
setInterval(() => document.hidden || refresh(), LOOK);
refresh();

/** Show the queue as it is now, the newest first. */
async function refresh() {
  try {
    const { jobs } = await askJson("jobs");
    show(jobs.toReversed());
    if (isLost) say("The server answers again.");
    isLost = false;
  } catch (error) {
    if (!isLost) say(error instanceof Error ? error.message : String(error), "bad");
    isLost = true;
  }
}

/** @param {Job[]} jobs */
function show(jobs) {
  const shown = showsAll ? jobs : jobs.slice(0, FIRST);
  const ids = new Set(shown.map((job) => job.id));
  for (const [id, row] of rows) {
    if (!ids.has(id)) {
      row.remove();
      rows.delete(id);
    }
  }
  let after = list.querySelector(":scope > .uploading:last-of-type");
  for (const job of shown) {
    const row = rows.get(job.id) ?? new JobRow(job);
    rows.set(job.id, row);
    row.update(job);
    const place = after ? after.nextElementSibling : list.querySelector(":scope > :not(.uploading)");
    if (place !== row.element) list.insertBefore(row.element, place);
    after = row.element;
  }
  byId("empty").hidden = list.children.length > 0;
  byId("more").hidden = shown.length === jobs.length;
  byId("films-count").textContent = jobs.length ? count(jobs.length, "film") : "";
}

/** Take files that are dropped anywhere, or chosen. */
function takeFiles() {
  const input = byId("files");
  byId("choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    addFiles(Reflect.get(input, "files"));
    Reflect.set(input, "value", "");
  });
  let depth = 0;
  /** @param {number} change */
  const dragged = (change) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dragging", depth > 0);
  };
  addEventListener("dragenter", () => dragged(1));
  addEventListener("dragleave", () => dragged(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    dragged(-depth);
    addFiles(event.dataTransfer?.files ?? []);
  });
}

/** @param {Iterable<File>} files */
function addFiles(files) {
  for (const file of files) {
    if (file.size) send(file);
    else say(`${file.name} is empty, or a folder. Drop files.`, "bad");
  }
}

/**
 * Send one file and make a job of it.
 * @param {File} file
 */
async function send(file) {
  const stop = new AbortController();
  const row = new UploadRow(file, () => stop.abort());
  list.prepend(row.element);
  byId("empty").hidden = true;
  try {
    const id = await upload(file, stop.signal, (sent, isWaiting) => row.update(sent, isWaiting));
    await askJson("jobs", { json: { upload: id, formats: formats() } });
    row.element.remove();
    say(`${file.name} is here. Its subtitles are next.`);
  } catch (error) {
    if (stop.signal.aborted) {
      row.element.remove();
      await trying(() => forget(file));
    } else {
      row.fail(error instanceof Error ? error.message : String(error), () => {
        row.element.remove();
        send(file);
      });
    }
  }
  refresh();
}

/** The formats that are ticked; SRT where none is. */
function formats() {
  const ticked = [...document.querySelectorAll("input[name=format]:checked")];
  return ticked.length ? ticked.map((box) => Reflect.get(box, "value")) : ["srt"];
}

/** Show the button for the server's folders, if it has any for us. */
async function offerFolders() {
  try {
    const { folders } = await askJson("folders");
    byId("browse").hidden = folders.length === 0;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
  byId("browse").addEventListener("click", async () => {
    const paths = await chooseFromFolders();
    for (const path of paths) {
      await trying(() => ask("jobs", { json: { path, formats: formats() } }));
    }
    if (paths.length) refresh();
  });
}

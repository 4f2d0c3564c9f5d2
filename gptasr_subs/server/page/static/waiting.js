// What a film's page shows before the film is done: how far it is, and its text so far.

import { address, askJson, Refusal } from "./api.js";
import { byId, make } from "./dom.js";
import { clock, lasting } from "./format.js";

/** @typedef {import("./types.js").Job} Job */

const WORDS = /** @type {Record<string, string>} */ ({
  waiting: "This film waits its turn",
  running: "This film is being written",
  failed: "This film failed",
  cancelled: "This film was cancelled",
});

/**
 * Wait until the subtitles of a job are there. Throws Refusal where they will never be.
 * @param {number} job
 * @param {string} sentence why they are not there
 */
export async function waitFor(job, sentence) {
  const facts = /** @type {Job} */ (await askJson(`jobs/${job}`));
  byId("waiting").hidden = false;
  show(facts, sentence);
  const isOver = !["waiting", "running"].includes(facts.state);
  if (isOver) throw new Refusal(409, sentence);
  const events = new EventSource(address(`jobs/${job}/events`));
  events.addEventListener("text", (event) => write(JSON.parse(event.data)));
  await new Promise((resolve, reject) => {
    events.addEventListener("job", (event) => {
      const now = /** @type {Job} */ (JSON.parse(event.data));
      show(now, now.reason);
      if (now.state === "done" || now.state === "skipped") resolve(undefined);
      else if (now.state !== "waiting" && now.state !== "running") reject(new Refusal(409, now.reason));
    });
  }).finally(() => events.close());
}

/**
 * @param {Job} job
 * @param {string} sentence
 */
function show({ state, file, progress }, sentence) {
  byId("title").textContent = file;
  document.title = `${file} · gptasr-subs`;
  byId("waiting-title").textContent = WORDS[state] ?? "This film has no subtitles here";
  const bar = /** @type {HTMLProgressElement} */ (byId("waiting-progress"));
  bar.hidden = state !== "running";
  if (progress?.total) bar.value = Math.min(1, progress.seconds / progress.total);
  const left = progress?.speed ? `${lasting(progress.left)} left` : "";
  byId("waiting-detail").textContent = state === "running" ? left : sentence;
}

/** @param {{ start: number, text: string }} heard */
function write({ start, text }) {
  const place = byId("waiting-text");
  const isAtEnd = place.scrollTop + place.clientHeight >= place.scrollHeight - 40;
  const time = make("time", { class: "soft small figures" }, clock(start, 0));
  place.append(make("p", {}, time, " ", text));
  if (isAtEnd) place.scrollTop = place.scrollHeight;
}

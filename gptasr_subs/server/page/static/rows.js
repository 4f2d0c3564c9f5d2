// One film in the list: a job of the queue, or a file on its way.

import { address, ask } from "./api.js";
import { icon, make, say, trying } from "./dom.js";
import { clock, lasting, moment, size } from "./format.js";

/** @typedef {import("./types.js").Job} Job */

const STATES = /** @type {Record<string, [string, string]>} */ ({
  waiting: ["clock", "Waits its turn"],
  running: ["pen", "Is being written"],
  done: ["check", "Done"],
  skipped: ["skip", "Left as it is"],
  failed: ["alert", "Failed"],
  cancelled: ["stop", "Cancelled"],
  uploading: ["up", "Is being sent"],
  lost: ["warn", "No connection; goes on by itself"],
});
export const FORMATS = [
  ["srt", "every player"],
  ["vtt", "web pages"],
  ["ass", "styled"],
  ["ttml", "broadcast"],
  ["sbv", "YouTube"],
  ["lrc", "music players"],
  ["tsv", "tables"],
  ["json", "words, times, confidence"],
  ["txt", "plain text"],
];
const LINES = 3; // of the text that is being written

/**
 * @param {HTMLElement} element
 * @param {string} state
 */
function showState(element, state) {
  if (element.dataset.state === state) return;
  const [picture, words] = STATES[state] ?? ["info", state];
  element.dataset.state = state;
  element.replaceChildren(icon(picture), words);
}

/**
 * A menu of all formats to download.
 * @param {number} job
 * @param {string} name of the film
 */
export function downloadMenu(job, name) {
  const stem = name.replace(/\.[^.]+$/, "");
  const items = FORMATS.map(([format, why]) =>
    make(
      "a",
      {
        class: "button",
        href: address(`jobs/${job}/subtitles.${format}`),
        download: `${stem}.en.${format}`,
      },
      format.toUpperCase(),
      make("span", { class: "why" }, why),
    ),
  );
  const summary = make("summary", { class: "button" }, icon("down"), make("span", { class: "words" }, "Download"));
  summary.setAttribute("aria-label", `Download subtitles of ${name}`);
  return make("details", { class: "menu" }, summary, make("div", { class: "menu-items" }, ...items));
}

/** A job of the queue. */
export class JobRow {
  /** @param {Job} job */
  constructor(job) {
    this.id = job.id;
    this.name = make("h3");
    this.state = make("span", { class: "state" });
    this.detail = make("span", { class: "soft small figures" });
    this.progress = make("progress", { hidden: true, max: 1 });
    this.progress.setAttribute("aria-label", `Progress of ${job.file}`);
    this.written = make("div", { class: "written", hidden: true });
    this.written.setAttribute("aria-label", "What was recognised last");
    this.reason = make("p", { class: "reason", hidden: true });
    this.actions = make("div", { class: "actions" });
    const head = make("div", { class: "film-head" }, this.name, this.detail, this.state);
    this.element = make("li", { class: "film" }, head, this.progress, this.written, this.reason, this.actions);
    /** @type {EventSource | null} */
    this.events = null;
  }

  /** @param {Job} job */
  update(job) {
    if (this.element.dataset.state !== job.state) {
      this.element.dataset.state = job.state;
      showState(this.state, job.state);
      this.name.replaceChildren(this.title(job));
      this.actions.replaceChildren(...this.buttons(job));
      this.listen(job.state === "running");
    }
    this.reason.hidden = !job.reason || job.state === "done";
    this.reason.textContent = job.reason;
    this.showProgress(job);
  }

  remove() {
    this.listen(false);
    this.element.remove();
  }

  /** @param {Job} job */
  title(job) {
    if (job.state !== "done" && job.state !== "skipped") return job.file;
    return make("a", { href: address(`films/${job.id}`) }, job.file);
  }

  /** @param {Job} job */
  showProgress(job) {
    const { progress } = job;
    this.progress.hidden = job.state !== "running";
    if (!progress || job.state !== "running") {
      this.progress.removeAttribute("value");
      const ahead = /** @type {Record<string, string>} */ ({ running: "Getting ready …", waiting: "" });
      this.detail.textContent = ahead[job.state] ?? moment(job.changed);
      return;
    }
    const share = progress.total ? Math.min(1, progress.seconds / progress.total) : 0;
    this.progress.value = share;
    const speed = progress.speed >= 10 ? Math.round(progress.speed) : progress.speed.toFixed(1);
    const left = progress.speed ? `, ${lasting(progress.left)} left` : "";
    this.detail.textContent = `${Math.round(100 * share)} %, ${speed} times as fast as speech${left}`;
  }

  /**
   * Follow what a running job recognises, or stop that.
   * @param {boolean} wanted
   */
  listen(wanted) {
    if (!wanted) {
      this.events?.close();
      this.events = null;
      this.written.hidden = true;
      this.written.replaceChildren();
      return;
    }
    if (this.events) return;
    this.events = new EventSource(address(`jobs/${this.id}/events`));
    this.events.addEventListener("text", (event) => this.write(JSON.parse(event.data)));
    this.events.addEventListener("job", (event) => {
      const job = JSON.parse(event.data);
      if (job.state === "running") this.update(job);
      else {
        this.listen(false);
        dispatchEvent(new Event("film-changed"));
      }
    });
  }

  /** @param {{ start: number, text: string }} heard */
  write({ start, text }) {
    const time = make("time", { class: "figures" }, clock(start, 0));
    this.written.append(make("p", {}, time, text));
    while (this.written.children.length > LINES) this.written.firstElementChild?.remove();
    this.written.hidden = false;
  }

  /** @param {Job} job */
  buttons(job) {
    const open = () => [
      make("a", { class: "button primary", href: address(`films/${job.id}`) }, icon("pen"), "Review and edit"),
      downloadMenu(job.id, job.file),
    ];
    const button = (/** @type {string} */ picture, /** @type {string} */ words, /** @type {() => void} */ work) => {
      const made = make("button", { type: "button", onclick: work }, icon(picture), words);
      made.setAttribute("aria-label", `${words}: ${job.file}`);
      return made;
    };
    const stop = button("stop", "Cancel", () => this.change("DELETE", ""));
    const retry = button("again", "Try again", () => this.change("POST", "/retry"));
    const remove = button("bin", "Remove", () => this.forget(job));
    /** @type {Record<string, Node[]>} */
    const all = { waiting: [stop], running: [stop], failed: [retry, remove], cancelled: [retry, remove] };
    return all[job.state] ?? [...open(), remove];
  }

  /**
   * @param {string} method
   * @param {string} path
   */
  async change(method, path) {
    await trying(() => ask(`jobs/${this.id}${path}`, { method }));
    dispatchEvent(new Event("film-changed"));
  }

  /** @param {Job} job */
  async forget(job) {
    const kept = job.path ? "The film and the subtitles beside it stay." : "The film that was sent goes, too.";
    const sure = confirm(`Remove ${job.file} and its versions from this list? ${kept}`);
    if (!sure) return;
    await this.change("DELETE", "");
    say(`${job.file} is removed.`);
  }
}

/** A file on its way. */
export class UploadRow {
  /**
   * @param {File} file
   * @param {() => void} stop
   */
  constructor(file, stop) {
    this.file = file;
    this.begun = performance.now();
    this.first = -1;
    this.state = make("span", { class: "state" });
    this.detail = make("span", { class: "soft small figures" });
    this.progress = make("progress", { max: file.size, value: 0 });
    this.progress.setAttribute("aria-label", `How much of ${file.name} is sent`);
    this.reason = make("p", { class: "reason", hidden: true });
    const cancel = make("button", { type: "button", onclick: stop }, icon("stop"), "Cancel");
    this.actions = make("div", { class: "actions" }, cancel);
    const head = make("div", { class: "film-head" }, make("h3", {}, file.name), this.detail, this.state);
    this.element = make("li", { class: "film uploading" }, head, this.progress, this.reason, this.actions);
    showState(this.state, "uploading");
  }

  /**
   * @param {number} sent
   * @param {boolean} isWaiting
   */
  update(sent, isWaiting) {
    if (this.first < 0) this.first = sent; // what an earlier try has sent was not sent now
    showState(this.state, isWaiting ? "lost" : "uploading");
    this.progress.value = sent;
    const seconds = (performance.now() - this.begun) / 1000;
    const speed = (sent - this.first) / seconds;
    const left = speed > 0 ? `, ${lasting((this.file.size - sent) / speed)} left` : "";
    this.detail.textContent = `${size(sent)} of ${size(this.file.size)}${left}`;
  }

  /**
   * @param {string} sentence
   * @param {() => void} retry
   */
  fail(sentence, retry) {
    showState(this.state, "failed");
    this.element.dataset.state = "failed";
    this.reason.hidden = false;
    this.reason.textContent = sentence;
    const again = make("button", { type: "button", onclick: retry }, icon("again"), "Try again");
    const remove = make("button", { type: "button", onclick: () => this.element.remove() }, icon("bin"), "Remove");
    this.actions.replaceChildren(again, remove);
  }
}

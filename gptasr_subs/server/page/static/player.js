// The film: a native video element that plays, repeats stretches and tells the time at every frame.

import { address, ask, askJson, Refusal } from "./api.js";
import { byId, make, say } from "./dom.js";
import { cueAt } from "./words.js";

const LOOK = 1000; // milliseconds between two looks at a proxy that is being made

/** Tells "time" while it plays and when one seeks, "playing" when that begins or ends. */
export class Player extends EventTarget {
  /**
   * @param {number} job
   * @param {import("./types.js").FilmDocument} film
   * @param {import("./subtitles.js").Subtitles} subtitles
   */
  constructor(job, film, subtitles) {
    super();
    this.job = job;
    this.film = film;
    this.subtitles = subtitles;
    this.video = /** @type {HTMLVideoElement} */ (byId("video"));
    this.caption = byId("caption");
    /** @type {{ start: number, end: number, loops: boolean } | null} */
    this.stretch = null;
    byId("player").classList.toggle("sound-only", !film.media.has_video);
    this.listen();
    this.load();
  }

  get time() {
    return this.video.currentTime;
  }

  get isPlaying() {
    return !this.video.paused;
  }

  listen() {
    const { video } = this;
    const playing = () => {
      this.dispatchEvent(new Event("playing"));
      this.follow();
    };
    video.addEventListener("play", playing);
    video.addEventListener("pause", () => this.dispatchEvent(new Event("playing")));
    video.addEventListener("seeked", () => this.tell());
    video.addEventListener("loadedmetadata", () => this.tell());
    this.subtitles.addEventListener("change", () => this.showCaption());
  }

  /** Play the film itself, or where the browser cannot, a copy that the server makes. */
  load() {
    const { media } = this.film;
    if (media.kind === "none") {
      byId("player").append(make("p", { class: "player-note" }, "The film is not there any more; its text is."));
      return;
    }
    if (media.kind === "proxy") {
      this.loadProxy();
      return;
    }
    this.video.addEventListener("error", () => this.loadProxy(), { once: true });
    this.video.src = address(media.url);
  }

  /** Have a copy made, and play that. */
  async loadProxy() {
    const note = make("p", { class: "player-note" });
    byId("player").append(note);
    try {
      for (;;) {
        const made = await askJson(`jobs/${this.job}/proxy`, { method: "POST" });
        if (made.state === "ready") break;
        if (made.state === "failed") throw new Refusal(500, made.reason);
        const share = Math.round(100 * (made.done ?? 0));
        note.textContent = `This browser cannot play the film. A copy that it can play is being made: ${share} %.`;
        await new Promise((resolve) => setTimeout(resolve, LOOK));
      }
      await ask(`jobs/${this.job}/proxy`, { headers: { range: "bytes=0-0" } });
      const at = this.time;
      this.video.src = address(`jobs/${this.job}/proxy`);
      this.video.currentTime = at;
      note.remove();
    } catch (error) {
      note.textContent = "The film cannot be played here; everything else works.";
      say(error instanceof Error ? error.message : String(error), "bad");
    }
  }

  /** Tell the time at every frame while it plays, and keep within the stretch. */
  follow() {
    this.keepWithin();
    this.tell();
    if (this.isPlaying) requestAnimationFrame(() => this.follow());
  }

  keepWithin() {
    const { stretch, video } = this;
    if (!stretch || video.currentTime < stretch.end) return;
    if (stretch.loops) video.currentTime = stretch.start;
    else {
      this.stretch = null;
      video.pause();
    }
  }

  tell() {
    this.showCaption();
    this.dispatchEvent(new Event("time"));
  }

  showCaption() {
    const cue = this.subtitles.cues[cueAt(this.subtitles.cues, this.time)];
    const isShown = cue && cue.start <= this.time && this.time < cue.end;
    const text = isShown ? cue.text.replace(/<[^>]*>|\{\\[^}]*\}/g, "") : "";
    if (this.caption.textContent !== text) this.caption.textContent = text;
  }

  /** Play on, or pause. */
  toggle() {
    this.stretch = null;
    if (this.isPlaying) this.video.pause();
    else this.start();
  }

  pause() {
    this.stretch = null;
    this.video.pause();
  }

  /**
   * Play from one time to another, once or again and again.
   * @param {number} start
   * @param {number} end
   * @param {boolean} [loops]
   */
  play(start, end, loops = false) {
    const from = Math.max(0, start);
    this.stretch = { start: from, end: Math.min(end, this.film.duration || Infinity) - 0.02, loops };
    this.video.currentTime = from;
    this.start();
  }

  /** @param {number} time */
  seek(time) {
    this.stretch = null;
    this.video.currentTime = Math.max(0, Math.min(time, this.film.duration || Infinity));
  }

  start() {
    // A browser may want a click first; the controls are there for that.
    this.video.play().catch(() => {});
  }
}

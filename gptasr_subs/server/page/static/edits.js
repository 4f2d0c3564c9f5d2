// What can be done to cues. Every function returns new ones; none changes what it is given.

import { align, cueAt, plain, replaceToken } from "./words.js";

/**
 * @typedef {import("./types.js").Cue} Cue
 * @typedef {import("./words.js").Words} Words
 */

const SHORTEST = 0.1; // seconds of a cue
const PAUSE = 1; // seconds of silence that a cue does not reach across

let made = 0;
const visit = Date.now().toString(36);

/** An identity for a new cue, which no other has. */
export function newId() {
  made += 1;
  return `n${visit}-${made}`;
}

/**
 * @param {Cue[]} cues
 * @param {number} index
 * @param {Partial<Cue>} change
 */
export function replaceCue(cues, index, change) {
  return cues.with(index, { ...cues[index], ...change });
}

/**
 * With another start or end, within what the other end allows.
 * @param {Cue[]} cues
 * @param {number} index
 * @param {"start" | "end"} side
 * @param {number} time
 */
export function setTime(cues, index, side, time) {
  const cue = cues[index];
  const bounded =
    side === "start" ? Math.min(time, cue.end - SHORTEST) : Math.max(time, cue.start + SHORTEST);
  const rounded = Math.max(0, Math.round(bounded * 1000) / 1000);
  return sorted(replaceCue(cues, index, { [side]: rounded }));
}

/** @param {Cue[]} cues */
function sorted(cues) {
  const isSorted = cues.every((cue, index) => !index || cues[index - 1].start <= cue.start);
  return isSorted ? cues : cues.toSorted((a, b) => a.start - b.start);
}

/**
 * Two cues of one, split before the word at a place of its text. The times are those of the words;
 * where a word was never heard, the letters divide the time. Null where nothing would stay.
 * @param {Cue[]} cues
 * @param {number} index
 * @param {number} place in the text
 * @param {{ words: Words, gap: number }} film
 */
export function split(cues, index, place, { words, gap }) {
  const cue = cues[index];
  const { tokens, words: heard } = words.of(cue);
  const token = tokens.findIndex((each) => each.from >= place || each.to > place);
  if (token <= 0) return null;
  const cut = tokens[token].from;
  const [last, next] = [words.all[heard[token - 1]], words.all[heard[token]]];
  const share = cue.start + ((cue.end - cue.start) * cut) / cue.text.length;
  const second = clamp(next?.start ?? last?.end ?? share, cue.start + SHORTEST, cue.end - SHORTEST);
  const hasPause = last && second - last.end > PAUSE;
  const end = Math.max(cue.start + SHORTEST / 2, hasPause ? last.end + PAUSE / 3 : second - gap);
  const before = { ...cue, end: round(end), text: cue.text.slice(0, cut).trim() };
  const after = { ...cue, id: newId(), start: round(second), text: cue.text.slice(cut).trim() };
  return cues.toSpliced(index, 1, before, after);
}

/**
 * A cue and the next as one, its lines broken again where they are too long.
 * @param {Cue[]} cues
 * @param {number} index
 * @param {number} maxChars of a line
 */
export function merge(cues, index, maxChars) {
  const [cue, next] = [cues[index], cues[index + 1]];
  if (!next) return null;
  const text = breakLine(`${cue.text} ${next.text}`.replace(/\s+/g, " ").trim(), maxChars);
  return cues.toSpliced(index, 2, { ...cue, end: Math.max(cue.end, next.end), text });
}

/**
 * A text in two lines of about the same length, if it is too long for one.
 * @param {string} text
 * @param {number} maxChars
 */
export function breakLine(text, maxChars) {
  if (text.length <= maxChars) return text;
  let best = -1;
  for (const { index } of text.matchAll(/ /g)) {
    if (best < 0 || Math.abs(index - text.length / 2) < Math.abs(best - text.length / 2)) best = index;
  }
  return best < 0 ? text : `${text.slice(0, best)}\n${text.slice(best + 1)}`;
}

/**
 * A new cue at a time, as long as there is room, two seconds at most; with the words that were heard
 * there and are in no cue.
 * @param {Cue[]} cues
 * @param {number} time
 * @param {Words} words
 */
export function insertAt(cues, time, words) {
  const before = cueAt(cues, time);
  const index = cues.length && cues[before].start <= time ? before + 1 : 0;
  const start = Math.max(time, index ? cues[index - 1].end : 0);
  const end = Math.max(start + SHORTEST, Math.min(start + 2, cues[index]?.start ?? Infinity));
  const [low, high] = words.within(start, end);
  const text = words.all.slice(low, high).map((word) => word.text).join(" ");
  const cue = { id: newId(), start: round(start), end: round(end), text };
  return { cues: cues.toSpliced(index, 0, cue), index };
}

/**
 * With other readings of recognised words.
 * @param {Cue[]} cues
 * @param {Words} words
 * @param {number[]} indices of the words
 * @param {string} reading
 */
export function takeReading(cues, words, indices, reading) {
  for (const index of indices) {
    const place = words.placeOf(cues, index);
    if (!place) continue;
    const cue = cues[place.cue];
    const text = replaceToken(cue.text, words.of(cue).tokens[place.token], reading);
    cues = replaceCue(cues, place.cue, { text });
  }
  return cues;
}

/**
 * With what a second reading of a window has changed. A word that is not as it was before stays.
 * @param {Cue[]} cues
 * @param {Words} words
 * @param {import("./types.js").Change} change
 */
export function takeChange(cues, words, { start, end, before, after }) {
  const [was, now] = [before.split(/\s+/), after.split(/\s+/)];
  const replacements = replacementsOf(was, now);
  const from = cueAt(cues, start);
  for (let index = from; index < cues.length && cues[index].start < end; index++) {
    const { tokens } = words.of(cues[index]);
    const places = align(tokens.map((token) => plain(token.text)), was.map(plain));
    for (const [token, place] of [...places.entries()].toReversed()) {
      const text = place >= 0 ? replacements[place] : undefined;
      const isAsBefore = place >= 0 && plain(tokens[token].text) === plain(was[place]);
      if (text === undefined || !isAsBefore) continue;
      const edited = replaceToken(cues[index].text, tokens[token], text);
      cues = replaceCue(cues, index, { text: edited });
    }
  }
  return cues;
}

/**
 * For each word what takes its place; undefined where it stays.
 * @param {string[]} was
 * @param {string[]} now
 */
function replacementsOf(was, now) {
  const places = align(now.map(plain), was.map(plain));
  /** @type {string[][]} */
  const parts = was.map(() => []);
  let last = 0;
  for (const [index, place] of places.entries()) {
    last = place >= 0 ? place : last;
    parts[last]?.push(now[index]);
  }
  return parts.map((part, index) => {
    const text = part.join(" ");
    return plain(text) === plain(was[index]) ? undefined : text;
  });
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

/** @param {number} seconds */
function round(seconds) {
  return Math.round(seconds * 1000) / 1000;
}

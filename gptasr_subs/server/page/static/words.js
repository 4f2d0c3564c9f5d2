// Which recognised word stands behind which word of a cue's text: by their times, then by an
// alignment of the two sequences, for the text may have been edited since.

/**
 * @typedef {import("./types.js").Cue} Cue
 * @typedef {import("./types.js").Word} Word
 * @typedef {{ from: number, to: number, text: string }} Token one word of a text, by its letters
 */

export const UNSURE = 0.6; // confidence under which a word is marked

/**
 * The words of a text; markup is none.
 * @param {string} text
 * @returns {Token[]}
 */
export function tokensOf(text) {
  const bare = text.replace(/<[^>]*>|\{\\[^}]*\}/g, (markup) => " ".repeat(markup.length));
  return [...bare.matchAll(/\S+/g)].map((match) => ({
    from: match.index,
    to: match.index + match[0].length,
    text: match[0],
  }));
}

/**
 * A word as it sounds: without punctuation and capitals.
 * @param {string} text
 */
export function plain(text) {
  return text.toLowerCase().replace(/[^\p{L}\p{N}']/gu, "");
}

/**
 * For each word of ``a`` the place in ``b`` that it is aligned with, or -1. The cheapest alignment;
 * words that differ may stand for one another, the more alike the cheaper.
 * @param {string[]} a
 * @param {string[]} b
 * @returns {number[]}
 */
export function align(a, b) {
  const width = b.length + 1;
  const cost = new Float64Array((a.length + 1) * width);
  for (let j = 1; j < width; j++) cost[j] = j;
  for (let i = 1; i <= a.length; i++) {
    cost[i * width] = i;
    for (let j = 1; j < width; j++) {
      const at = i * width + j;
      const swap = cost[at - width - 1] + difference(a[i - 1], b[j - 1]);
      cost[at] = Math.min(swap, cost[at - width] + 1, cost[at - 1] + 1);
    }
  }
  const found = new Array(a.length).fill(-1);
  let [i, j] = [a.length, b.length];
  while (i && j) {
    const at = i * width + j;
    if (cost[at] === cost[at - width - 1] + difference(a[i - 1], b[j - 1])) found[--i] = --j;
    else if (cost[at] === cost[at - width] + 1) i--;
    else j--;
  }
  return found;
}

/**
 * From 0 for the same word to 1.5 for quite another one.
 * @param {string} a
 * @param {string} b
 */
function difference(a, b) {
  if (a === b) return 0;
  let same = 0;
  while (same < a.length && same < b.length && a[same] === b[same]) same++;
  return 1.5 - same / Math.max(a.length, b.length, 1);
}

/** The words of a film, found by cue. */
export class Words {
  /** @param {Word[]} words in the order of their times */
  constructor(words) {
    this.all = words;
    /** @type {WeakMap<Cue, { tokens: Token[], words: number[] }>} cues never change, new ones are made */
    this.known = new WeakMap();
  }

  /**
   * The indices from which on and up to which the middles of words lie within the times.
   * @param {number} start
   * @param {number} end
   */
  within(start, end) {
    return [this.firstAfter(start), this.firstAfter(end)];
  }

  /** @param {number} time */
  firstAfter(time) {
    let [low, high] = [0, this.all.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { start, end } = this.all[middle];
      if ((start + end) / 2 < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The words of a cue's text, and for each the recognised word behind it, or -1.
   * @param {Cue} cue
   */
  of(cue) {
    let found = this.known.get(cue);
    if (!found) {
      const tokens = tokensOf(cue.text);
      const [low, high] = this.within(cue.start, cue.end);
      const heard = this.all.slice(low, high).map((word) => plain(word.text));
      const places = align(tokens.map((token) => plain(token.text)), heard);
      found = { tokens, words: places.map((place) => (place < 0 ? -1 : low + place)) };
      this.known.set(cue, found);
    }
    return found;
  }

  /**
   * Where a recognised word stands: the index of its cue and of the word in its text; null where it
   * is in none any more.
   * @param {Cue[]} cues
   * @param {number} index
   */
  placeOf(cues, index) {
    const word = this.all[index];
    if (!word) return null;
    const near = cueAt(cues, (word.start + word.end) / 2);
    for (const cue of [near, near - 1, near + 1]) {
      const token = cues[cue] ? this.of(cues[cue]).words.indexOf(index) : -1;
      if (token >= 0) return { cue, token };
    }
    return null;
  }

  /**
   * Whether the recogniser was unsure of it, and it still stands as it was heard.
   * @param {number} index
   * @param {string} text that stands there now
   */
  isUnsure(index, text) {
    const word = this.all[index];
    return Boolean(word) && word.confidence < UNSURE && plain(word.text) === plain(text);
  }
}

/**
 * The index of the cue that is shown at a time, else of the one before it.
 * @param {Cue[]} cues
 * @param {number} time
 */
export function cueAt(cues, time) {
  let [low, high] = [0, cues.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cues[middle].start <= time) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/**
 * The text with one of its words replaced. Punctuation around it stays, and so does a capital.
 * @param {string} text
 * @param {Token} token
 * @param {string} reading
 */
export function replaceToken(text, token, reading) {
  const [, before, core, after] =
    /^([^\p{L}\p{N}]*)(.*?)([^\p{L}\p{N}]*)$/u.exec(token.text) ?? [null, "", token.text, ""];
  const bare = reading.trim();
  const isCapital = /^\p{Lu}/u.test(core) && !/^\p{Lu}/u.test(bare);
  const cased = isCapital ? bare.charAt(0).toUpperCase() + bare.slice(1) : bare;
  const head = /^[\p{L}\p{N}]/u.test(cased) ? before : "";
  const tail = /[\p{L}\p{N}']$/u.test(cased) ? after : "";
  if (!bare) return withoutToken(text, token);
  return text.slice(0, token.from) + head + cased + tail + text.slice(token.to);
}

/**
 * @param {string} text
 * @param {Token} token
 */
function withoutToken(text, token) {
  const [before, after] = [text.slice(0, token.from).trimEnd(), text.slice(token.to)];
  return before ? before + after : after.trimStart();
}

// What the server and the modules tell each other; types only.

/**
 * @typedef {{ id: string | number, start: number, end: number, text: string }} Cue
 *   One subtitle; times are seconds of the film.
 * @typedef {{ start: number, end: number, text: string, confidence: number, readings: string[] }} Word
 *   One word as it was recognised, with what else it may have been.
 * @typedef {{
 *   name?: string, max_chars?: number | null, max_lines?: number | null,
 *   max_chars_per_second?: number | null, gap?: number | null,
 * }} Norms
 * @typedef {{ url: string, has_video: boolean, kind: "native" | "proxy" | "none" }} Media
 * @typedef {{
 *   version: number, title: string, duration: number, language: string, norms: Norms | string,
 *   cues: Cue[], words: Word[], media: Media,
 * }} FilmDocument
 * @typedef {{ cue: string | number, rule: string, message: string, severity: string }} Fault
 * @typedef {{
 *   word: number, words: [number, number], start: number, end: number, text: string,
 *   readings: string[], expected: number, same: number[],
 * }} Stop
 *   A run of words, from the first to the last of ``words``, that is worth hearing from ``start`` to
 *   ``end``; ``word`` is the least sure of them, ``same`` are the places where it is elsewhere.
 * @typedef {{ expected_errors: number, covered: number, stops: Stop[] }} Bill
 * @typedef {{ start: number, end: number, before: string, after: string }} Change
 * @typedef {{
 *   id: number, state: string, file: string, path?: string, reason: string, formats: string[],
 *   added: number, changed: number,
 *   progress?: { seconds: number, total: number, speed: number, left: number },
 * }} Job
 */

export {};

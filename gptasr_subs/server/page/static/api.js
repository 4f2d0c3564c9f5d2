// The server, asked by its addresses.

// Everything is relative to where the page lies: at /, behind a proxy's prefix, or at /k/KEY/.
export const BASE = new URL("../", import.meta.url);

/**
 * The whole address of a path of the server.
 * @param {string} path
 */
export function address(path) {
  return new URL(path.replace(/^\/+/, ""), BASE).href;
}

/** An answer that is not what was hoped for; its message is a sentence. Status 0: no answer. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {string} sentence
   * @param {{ body?: any, etag?: string | null }} [more]
   */
  constructor(status, sentence, more = {}) {
    super(sentence);
    this.status = status;
    this.body = more.body;
    this.etag = more.etag ?? null;
  }
}

/**
 * @typedef {{
 *   method?: string, json?: any, body?: BodyInit, headers?: Record<string, string>,
 *   signal?: AbortSignal,
 * }} Question
 */

/**
 * Ask, and throw Refusal where the answer is none of 2xx and 304.
 * @param {string} path
 * @param {Question} [question]
 * @returns {Promise<Response>}
 */
export async function ask(path, { method, json, body, headers = {}, signal } = {}) {
  const init = { method: method ?? (json === undefined ? "GET" : "POST"), headers, signal, body };
  if (json !== undefined) {
    init.body = JSON.stringify(json);
    init.headers = { "content-type": "application/json", ...headers };
  }
  let answer;
  try {
    answer = await fetch(address(path), init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refusal(0, "The server does not answer. Is it still running?");
  }
  if (answer.ok || answer.status === 304) return answer;
  if (answer.status === 401) location.assign(address("sign-in"));
  throw await refusalOf(answer);
}

/**
 * @param {string} path
 * @param {Question} [question]
 * @returns {Promise<any>}
 */
export async function askJson(path, question) {
  const answer = await ask(path, question);
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

/** @param {Response} answer */
async function refusalOf(answer) {
  const text = await answer.text();
  const more = { etag: answer.headers.get("etag"), body: /** @type {any} */ (null) };
  try {
    more.body = JSON.parse(text);
  } catch {
    return new Refusal(answer.status, text.trim() || `The server answers ${answer.status}.`, more);
  }
  const { error } = more.body;
  const sentence = typeof error === "string" ? error : (error?.message ?? text);
  return new Refusal(answer.status, sentence, more);
}

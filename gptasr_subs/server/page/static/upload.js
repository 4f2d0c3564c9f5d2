// Uploads that go on where a lost connection has stopped them, also after a reload of the page.

import { ask, askJson, Refusal } from "./api.js";

const CHUNK = 4 * 1024 * 1024; // bytes a request
const LONGEST_PAUSE = 15000; // milliseconds between two tries

/**
 * @typedef {(offset: number, isWaiting: boolean) => void} Told
 *   Called with the bytes that the server has, and whether it does not answer.
 */

/**
 * Send a file, however long that takes, and return the upload's id.
 * @param {File} file
 * @param {AbortSignal} signal
 * @param {Told} tell
 * @returns {Promise<string>}
 */
export async function upload(file, signal, tell) {
  const key = keyOf(file);
  let { id, offset } = (await known(key)) ?? (await patiently(() => begin(file), signal, () => tell(0, true)));
  localStorage.setItem(key, id);
  while (offset < file.size) {
    tell(offset, false);
    const from = offset;
    const waiting = () => tell(from, true);
    offset = await patiently(() => send(id, file, from, signal), signal, waiting);
  }
  tell(offset, false);
  localStorage.removeItem(key);
  return id;
}

/**
 * Remove what was sent of an upload that is not wanted any more.
 * @param {File} file
 */
export async function forget(file) {
  const id = localStorage.getItem(keyOf(file));
  localStorage.removeItem(keyOf(file));
  if (id) await ask(`uploads/${id}`, { method: "DELETE" });
}

/** @param {File} file */
function keyOf(file) {
  return `gptasr-subs upload ${file.name} ${file.size} ${file.lastModified}`;
}

/** @param {File} file */
async function begin(file) {
  return askJson("uploads", { json: { name: file.name, size: file.size } });
}

/**
 * What is left of an earlier try with the same file.
 * @param {string} key
 */
async function known(key) {
  const id = localStorage.getItem(key);
  if (!id) return null;
  try {
    return { id, offset: await offsetOf(id) };
  } catch {
    return null;
  }
}

/** @param {string} id */
async function offsetOf(id) {
  const answer = await ask(`uploads/${id}`, { method: "HEAD" });
  return Number(answer.headers.get("upload-offset"));
}

/**
 * Send one part and return the offset after it.
 * @param {string} id
 * @param {File} file
 * @param {number} offset
 * @param {AbortSignal} signal
 */
async function send(id, file, offset, signal) {
  try {
    const answer = await ask(`uploads/${id}`, {
      method: "PATCH",
      body: file.slice(offset, offset + CHUNK),
      headers: { "upload-offset": String(offset), "content-type": "application/offset+octet-stream" },
      signal,
    });
    return Number(answer.headers.get("upload-offset"));
  } catch (error) {
    const elsewhere = error instanceof Refusal && (error.status === 409 || error.status === 0);
    if (!elsewhere) throw error;
    return offsetOf(id); // of a part that was cut off, some has arrived
  }
}

/**
 * Try until the server answers.
 * @template T
 * @param {() => Promise<T>} work
 * @param {AbortSignal} signal
 * @param {() => void} tellWaiting
 * @returns {Promise<T>}
 */
async function patiently(work, signal, tellWaiting) {
  for (let pause = 500; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      const isPassing = error instanceof Refusal && [0, 408, 502, 503, 504].includes(error.status);
      if (!isPassing) throw error;
    }
    tellWaiting();
    await rest(pause, signal);
  }
}

/**
 * Wait so long, or until the network is back.
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 */
function rest(milliseconds, signal) {
  return new Promise((resolve) => {
    const settle = () => {
      clearTimeout(timer);
      removeEventListener("online", settle);
      resolve(undefined);
    };
    const timer = setTimeout(settle, milliseconds);
    addEventListener("online", settle);
    signal.addEventListener("abort", settle, { once: true });
  });
}

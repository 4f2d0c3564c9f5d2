// Commands by their keys, those of Subtitle Edit where it has them, and the overlay that shows them.

import { byId, make } from "./dom.js";

/**
 * @typedef {{
 *   keys: string[], label: string, group: string, run?: () => unknown,
 * }} Command
 *   One that is run elsewhere is only shown.
 *   Keys such as "Ctrl+Shift+M". One without Ctrl, Alt or an F-key counts only outside of text fields.
 */

const IS_MAC = /Mac|iPhone|iPad/.test(navigator.userAgent);
const NAMES = /** @type {Record<string, string>} */ ({
  " ": "Space",
  ArrowUp: "↑",
  ArrowDown: "↓",
  ArrowLeft: "←",
  ArrowRight: "→",
  Escape: "Esc",
});

/**
 * The keys of an event in the words of a command.
 * @param {KeyboardEvent} event
 */
export function keysOf(event) {
  const letter = /^(Key|Digit)(.)$/.exec(event.code)?.[2];
  const hasCommand = event.ctrlKey || event.metaKey;
  // With Alt a letter may come as another sign, so what is written on the key counts then
  const isWritten = event.altKey && letter;
  const key = isWritten ? letter : event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const isSign = event.key.length === 1 && !/^[\p{L}\p{N} ]$/u.test(event.key);
  const parts = [
    hasCommand ? "Ctrl" : "",
    event.altKey ? "Alt" : "",
    event.shiftKey && !isSign ? "Shift" : "",
    key === " " ? "Space" : key,
  ];
  return parts.filter(Boolean).join("+");
}

/**
 * As it is written in hints.
 * @param {string} keys
 */
export function keyWords(keys) {
  const words = keys.split("+").map((part) => NAMES[part] ?? part).join("+") || keys;
  return IS_MAC ? words.replace("Ctrl", "⌘").replace("Alt", "⌥").replace("Shift", "⇧") : words;
}

/** @param {EventTarget | null} target */
export function isTextField(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLTextAreaElement) return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button"].includes(target.type);
}

/**
 * Run the commands by their keys, and show them in the overlay.
 * @param {Command[]} commands
 */
export function listenToKeys(commands) {
  const overlay = /** @type {HTMLDialogElement} */ (byId("keys"));
  byId("keys-close").addEventListener("click", () => overlay.close());
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const keys = keysOf(event);
    const isSafe = /Ctrl|Alt|^(Shift\+)?F\d/.test(keys);
    if (!isSafe && !isFree(event.target, keys)) return;
    if (keepsOwnUndo(event.target) && ["Ctrl+Z", "Ctrl+Y", "Ctrl+Shift+Z"].includes(keys)) return;
    const command = commands.find((each) => each.run && each.keys.includes(keys));
    if (!command) return;
    event.preventDefault();
    command.run?.();
  });
}

/**
 * Whether a plain key means nothing to what has the focus.
 * @param {EventTarget | null} target
 * @param {string} keys
 */
function isFree(target, keys) {
  if (keys === "Shift+Enter") return true; // the next cue, from within the text as well
  if (isTextField(target)) return false;
  const presses = keys === "Space" || keys === "Enter";
  const isPressed = target instanceof Element && target.closest("button, a, summary, select, input, video");
  return !(presses && isPressed);
}

/** @param {EventTarget | null} target */
function keepsOwnUndo(target) {
  return isTextField(target) && target !== byId("cue-text");
}

/**
 * Show all keys.
 * @param {Command[]} commands
 */
export function showKeys(commands) {
  const groups = Map.groupBy(commands, (command) => command.group);
  const sections = [...groups].map(([group, members]) => {
    const lines = members.flatMap(({ keys, label }) => [
      make("dt", {}, ...keys.map((each) => make("kbd", {}, keyWords(each)))),
      make("dd", {}, label),
    ]);
    return make("section", {}, make("h3", {}, group), make("dl", { class: "key-list" }, ...lines));
  });
  byId("keys-list").replaceChildren(...sections);
  const overlay = /** @type {HTMLDialogElement} */ (byId("keys"));
  overlay.showModal();
}

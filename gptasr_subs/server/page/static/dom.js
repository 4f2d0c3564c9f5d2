// Elements, icons, and messages.

import { address } from "./api.js";

/**
 * The element with this id, which the page has.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  return /** @type {T} */ (document.getElementById(id));
}

/**
 * A new element. Properties that begin with "on" are listeners, "class" and names with a dash are
 * attributes, all others are set on the element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [properties]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class" || name === "role" || name.includes("-")) {
      element.setAttribute(name, value);
    } else Reflect.set(element, name, value);
  }
  element.append(...children);
  return element;
}

/**
 * A picture from icons.svg, for the eye alone.
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${address("static/icons.svg")}#${name}`);
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/**
 * Say something on the screen, and to screen readers: for a while, or until what is waited for is
 * there and the message is removed.
 * @param {string} sentence
 * @param {"note" | "bad" | "wait"} [kind]
 */
export function say(sentence, kind = "note") {
  const place = byId("messages");
  const message = make("p", { class: `message ${kind}` });
  message.append(icon(kind === "bad" ? "alert" : "info"), sentence);
  place.append(message);
  while (place.children.length > 3) place.firstElementChild?.remove();
  if (kind !== "wait") setTimeout(() => message.remove(), kind === "bad" ? 12000 : 6000);
  return message;
}

/**
 * Run something that may be refused, and say why it was.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T | undefined>}
 */
export async function trying(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return undefined;
    say(error instanceof Error ? error.message : String(error), "bad");
    return undefined;
  }
}

/**
 * Close open menus when one leaves them, as one expects of menus.
 */
export function tendMenus() {
  const open = () => document.querySelectorAll("details.menu[open]");
  addEventListener("click", (event) => {
    for (const menu of open()) {
      const inside = event.target instanceof Node && menu.contains(event.target);
      const item = event.target instanceof Element && event.target.closest(".menu-items");
      if (!inside || item) menu.removeAttribute("open");
    }
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open()) {
      menu.removeAttribute("open");
      menu.querySelector("summary")?.focus();
    }
  });
}

// Dark or light, kept over visits. A classic script, so that the page is never painted in the wrong
// one first.
"use strict";

(() => {
  const KEY = "gptasr-subs theme";
  const ORDER = ["auto", "light", "dark"];
  const WORDS = { auto: "Like the system", light: "Light", dark: "Dark" };
  const root = document.documentElement;

  /** @returns {"auto" | "light" | "dark"} */
  function chosen() {
    const kept = localStorage.getItem(KEY) ?? "";
    return /** @type {"auto" | "light" | "dark"} */ (ORDER.includes(kept) ? kept : "auto");
  }

  /** @param {"auto" | "light" | "dark"} theme */
  function apply(theme) {
    root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) {
      button.title = `Colours: ${WORDS[theme]}`;
      button.setAttribute("aria-label", `Colours: ${WORDS[theme]}. Change`);
    }
    dispatchEvent(new Event("theme"));
  }

  function change() {
    const next = ORDER[(ORDER.indexOf(chosen()) + 1) % ORDER.length];
    localStorage.setItem(KEY, next);
    apply(chosen());
  }

  apply(chosen());
  addEventListener("DOMContentLoaded", () => {
    apply(chosen());
    document.getElementById("theme")?.addEventListener("click", change);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(chosen()));
})();

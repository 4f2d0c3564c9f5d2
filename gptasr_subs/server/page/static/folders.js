// The dialog in which one chooses films from the folders that the server allows.

import { askJson } from "./api.js";
import { byId, icon, make, trying } from "./dom.js";

/** @typedef {{ name: string, path: string, has_subtitles?: boolean }} Entry */

const dialog = /** @type {HTMLDialogElement} */ (byId("folders"));
const list = byId("folder-list");
const add = /** @type {HTMLButtonElement} */ (byId("folders-add"));
/** @type {Set<string>} */
const chosen = new Set();

byId("folders-close").addEventListener("click", () => dialog.close());
add.addEventListener("click", () => dialog.close("add"));

/**
 * Let the user choose, and return the paths of the films.
 * @returns {Promise<string[]>}
 */
export async function chooseFromFolders() {
  chosen.clear();
  dialog.returnValue = "";
  await trying(() => open(null));
  dialog.showModal();
  list.querySelector("button")?.focus();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue === "add" ? [...chosen] : [];
}

/** @param {string | null} path */
async function open(path) {
  const query = path === null ? "" : `?path=${encodeURIComponent(path)}`;
  const { parent, folders, files } = await askJson(`folders${query}`);
  byId("folder-path").textContent = path ?? "";
  const rows = [...folders.map(folderRow), ...files.map(fileRow)];
  if (path !== null) rows.unshift(folderRow({ name: "One folder up", path: parent ?? null }, "back"));
  if (!rows.length) rows.push(make("li", { class: "soft" }, "There is nothing in here."));
  list.replaceChildren(...rows);
  count();
}

/**
 * @param {{ name: string, path: string | null }} entry
 * @param {unknown} picture
 */
function folderRow({ name, path }, picture) {
  const enter = async () => {
    await trying(() => open(path));
    list.querySelector("button")?.focus();
  };
  const sign = icon(picture === "back" ? "back" : "folder");
  return make("li", {}, make("button", { type: "button", class: "quiet", onclick: enter }, sign, name));
}

/** @param {Entry} file */
function fileRow(file) {
  const box = make("input", { type: "checkbox", checked: chosen.has(file.path) });
  box.addEventListener("change", () => {
    if (box.checked) chosen.add(file.path);
    else chosen.delete(file.path);
    count();
  });
  const label = make("label", {}, box, file.name);
  if (file.has_subtitles) label.append(make("span", { class: "has" }, icon("check"), " has subtitles"));
  return make("li", {}, label);
}

function count() {
  add.disabled = chosen.size === 0;
  byId("folder-chosen").textContent = chosen.size ? `${chosen.size} chosen` : "";
}

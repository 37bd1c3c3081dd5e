/** Images that are dropped, pasted or chosen. */

import { element } from "./dom.js";

const TYPES = ["image/png", "image/jpeg"];

/** A list of images, with its controls. */
export class Images {
  #root;
  #list;
  #note;
  #chooser;
  #items = [];

  /** @param {HTMLElement} root Container with the hint; may be hidden. */
  constructor(root) {
    this.#root = root;
    this.#list = element("ul", { class: "thumbnails", "aria-label": "Images" });
    this.#note = element("p", { class: "note", role: "status" });
    this.#chooser = element("input", {
      type: "file",
      accept: TYPES.join(),
      multiple: true,
      id: `${root.id}-files`,
    });
    const label = element("label", { htmlFor: this.#chooser.id }, "Images (PNG or JPEG)");
    const hint = element("p", { class: "hint" }, "Choose files, drop them here, or paste one.");
    root.append(label, this.#chooser, hint, this.#note, this.#list);
    this.#chooser.addEventListener("change", () => {
      this.#add(this.#chooser.files);
      this.#chooser.value = "";
    });
    root.addEventListener("dragover", (event) => this.#mark(event, true));
    root.addEventListener("dragleave", (event) => this.#mark(event, false));
    root.addEventListener("drop", (event) => {
      this.#mark(event, false);
      this.#add(event.dataTransfer.files);
    });
    root.closest("form").addEventListener("paste", (event) => {
      if (!root.hidden) this.#add(event.clipboardData.files);
    });
  }

  /** The images: their file names, types and data URLs; none while the list is hidden. */
  get items() {
    return this.#root.hidden ? [] : [...this.#items];
  }

  /** Show or hide the list with its controls. */
  set visible(value) {
    this.#root.hidden = !value;
  }

  async #add(files) {
    const chosen = [...files];
    const rejected = chosen.filter(({ type }) => !TYPES.includes(type));
    this.#note.textContent = rejected.length
      ? `Not a PNG or JPEG file: ${rejected.map(({ name }) => name).join(", ")}`
      : "";
    for (const file of chosen.filter(({ type }) => TYPES.includes(type))) {
      this.#items.push({ name: file.name, type: file.type, url: await dataUrl(file) });
    }
    this.#render();
  }

  #mark(event, isOver) {
    event.preventDefault();
    this.#root.classList.toggle("over", isOver);
  }

  #render() {
    this.#list.replaceChildren(...this.#items.map((item) => this.#row(item)));
  }

  #row(item) {
    const remove = element("button", { type: "button", class: "remove" }, "Remove");
    remove.setAttribute("aria-label", `Remove ${item.name}`);
    remove.addEventListener("click", () => {
      this.#items = this.#items.filter((each) => each !== item);
      this.#render();
      (this.#list.querySelector("button") ?? this.#chooser).focus();
    });
    return element("li", {}, thumbnail(item), element("span", { class: "file" }, item.name), remove);
  }
}

/** Return the element that shows an image. */
export const thumbnail = ({ url, name }) =>
  element("img", { src: url, alt: name, class: "thumbnail" });

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

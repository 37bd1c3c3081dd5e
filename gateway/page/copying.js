/** Copying text to the clipboard. */

import { element } from "./dom.js";

/** Milliseconds for which a button confirms that it has copied. */
const CONFIRMATION = 2000;

/**
 * Return a button that copies a text.
 *
 * @param {string} label The button's label.
 * @param {() => string} text Returns the text.
 */
export function copyButton(label, text) {
  const button = element("button", { type: "button", class: "copy" }, label);
  const status = element("span", { class: "copied", role: "status" });
  button.addEventListener("click", async () => {
    status.textContent = (await copied(text(), button)) ? "Copied" : "Select the text to copy it";
    setTimeout(() => status.replaceChildren(), CONFIRMATION);
  });
  return element("span", { class: "copying" }, button, status);
}

/** Copy `text` and return whether that succeeded. Without TLS, browsers have only the old way. */
async function copied(text, button) {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
  }
  const area = element("textarea", { value: text, class: "hidden" });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  button.focus();
  return done;
}

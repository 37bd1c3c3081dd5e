/** The panel with programs that do what the page has just done. */

import { copyButton } from "./copying.js";
import { element } from "./dom.js";
import { tabs } from "./tabs.js";

/**
 * Show programs, of which one is visible.
 *
 * @param {HTMLElement} root Container in the document, with an id.
 * @param {Object<string, string>} programs Programs by the names of their tabs.
 */
export function showCode(root, programs) {
  const names = Object.keys(programs);
  const chosen = root.querySelector("[aria-selected=true]")?.textContent ?? names[0];
  const list = element("div", { role: "tablist", class: "tabs small" });
  list.setAttribute("aria-label", "Language of the program");
  const panels = names.map((name) => {
    const id = `${root.id}-${name.toLowerCase()}`;
    const tab = element("button", { type: "button", role: "tab", id: `${id}-tab` }, name);
    tab.setAttribute("aria-controls", id);
    tab.setAttribute("aria-selected", String(name === chosen));
    list.append(tab);
    const text = element("pre", { tabIndex: 0 }, element("code", {}, programs[name]));
    text.setAttribute("aria-label", `${name} program`);
    text.setAttribute("role", "region");
    const copy = copyButton(`Copy ${name}`, () => programs[name]);
    const panel = element("div", { role: "tabpanel", id, class: "program" }, copy, text);
    panel.setAttribute("aria-labelledby", tab.id);
    return panel;
  });
  root.replaceChildren(element("h3", {}, "The same with your own program"), list, ...panels);
  tabs(list);
}

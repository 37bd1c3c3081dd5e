/** Tabs with the keys that WAI-ARIA prescribes: arrows, Home and End. */

import { byId } from "./dom.js";

/**
 * Make the elements of role `tab` in a tab list show the panels that they control.
 *
 * @param {HTMLElement} list Element of role `tablist` in the document; one tab is selected.
 */
export function tabs(list) {
  const all = [...list.querySelectorAll("[role=tab]")];

  const select = (tab) => {
    for (const each of all) {
      const isSelected = each === tab;
      each.setAttribute("aria-selected", String(isSelected));
      each.tabIndex = isSelected ? 0 : -1;
      byId(each.getAttribute("aria-controls")).hidden = !isSelected;
    }
  };

  const moves = {
    ArrowRight: (index) => (index + 1) % all.length,
    ArrowLeft: (index) => (index - 1 + all.length) % all.length,
    Home: () => 0,
    End: () => all.length - 1,
  };
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) select(tab);
  });
  list.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const tab = all[move(all.indexOf(document.activeElement))];
    select(tab);
    tab.focus();
  });
  select(all.find((tab) => tab.getAttribute("aria-selected") === "true"));
}

/** The heat map: a table with the similarity of each pair. */

import { byId, decimal, element, shortened } from "./dom.js";
import { thumbnail } from "./images.js";
import { similarities } from "./vectors.js";

/** Ends of the color scale for the light and the dark scheme: red, green, blue. */
const SCALES = {
  light: [[240, 244, 252], [23, 71, 166]],
  dark: [[29, 37, 51], [143, 188, 255]],
};

/** Maximum inputs in the table; further ones are only in the list below it. */
const MAX_ROWS = 40;

/** Highest beginning of the color scale, so that equal texts have the color of 1. */
const MAX_LOWEST = 0.99;

/**
 * Show the similarity of each pair.
 *
 * @param {Float32Array[]} vectors
 * @param {(string|object)[]} inputs Texts and images, in the same order.
 */
export function showHeatmap(vectors, inputs) {
  const shown = inputs.slice(0, MAX_ROWS);
  const values = similarities(vectors.slice(0, MAX_ROWS));
  const others = shown.flatMap((_, i) => values[i].slice(0, i));
  const lowest = others.length ? Math.min(...others, MAX_LOWEST) : 0;
  const heads = shown.map((input, i) =>
    element("th", { scope: "col", title: title(input) }, String(i + 1)),
  );
  const corner = element("td", { class: "corner" });
  const rows = shown.map((input, i) =>
    element("tr", {}, rowHead(input, i), ...shown.map((_, j) => cell(values[i][j], lowest, i, j))),
  );
  const table = byId("heatmap");
  table.tHead.replaceChildren(element("tr", {}, corner, ...heads));
  table.tBodies[0].replaceChildren(...rows);
  byId("scale-low").textContent = decimal(lowest);
  byId("heatmap-note").textContent =
    inputs.length > MAX_ROWS ? `The first ${MAX_ROWS} of ${inputs.length} are shown.` : "";
}

const title = (input) => (typeof input === "string" ? shortened(input, 200) : input.name);

function rowHead(input, index) {
  const content = typeof input === "string" ? shortened(input, 80) : thumbnail(input);
  const number = element("span", { class: "number" }, `${index + 1}`);
  const label = element("span", { class: "label" }, content);
  return element("th", { scope: "row", title: title(input) }, number, " ", label);
}

function cell(value, lowest, row, column) {
  const made = element("td", { title: `${row + 1} and ${column + 1}: ${decimal(value, 4)}` });
  made.textContent = decimal(value);
  const heat = Math.min(1, Math.max(0, (value - lowest) / (1 - lowest)));
  for (const [scheme, [low, high]] of Object.entries(SCALES)) {
    const color = low.map((part, i) => Math.round(part + heat * (high[i] - part)));
    made.style.setProperty(`--${scheme}`, `rgb(${color})`);
    made.style.setProperty(`--${scheme}-text`, luminance(color) > 0.179 ? "#000" : "#fff");
  }
  return made;
}

/** Return the relative luminance; above 0.179, black has the higher contrast (WCAG 2.2). */
function luminance(color) {
  const [red, green, blue] = color.map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

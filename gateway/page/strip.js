/** The drawing of a vector: one column for each number. */

import { element } from "./dom.js";

const POSITIVE = [47, 111, 237];
const NEGATIVE = [230, 126, 34];

/**
 * Return a canvas with the numbers of a vector: blue if positive, orange if negative, and the
 * stronger the larger. Screen readers get the numbers themselves from the text next to it.
 *
 * @param {Float32Array} vector
 */
export function strip(vector) {
  const canvas = element("canvas", { class: "strip", width: vector.length, height: 1 });
  canvas.setAttribute("aria-hidden", "true");
  const context = canvas.getContext("2d");
  const image = context.createImageData(vector.length, 1);
  const largest = vector.reduce((top, value) => Math.max(top, Math.abs(value)), 0) || 1;
  vector.forEach((value, i) => {
    const strength = Math.round((255 * Math.abs(value)) / largest);
    image.data.set([...(value < 0 ? NEGATIVE : POSITIVE), strength], 4 * i);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Prometheus' text format. */

const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/**
 * Return the samples of some metrics.
 *
 * @param {string} text Response of `/metrics`.
 * @param {string[]} names Names of the metrics.
 * @returns {Map<string, {labels: Object<string, string>, value: number}[]>} By name.
 */
export function samples(text, names) {
  const found = new Map(names.map((name) => [name, []]));
  for (const line of text.split("\n")) {
    const [, name, labels, value] = LINE.exec(line) ?? [];
    found.get(name)?.push({ labels: parsedLabels(labels), value: Number(value) });
  }
  return found;
}

/** Return the sum of the values of some samples. */
export const sum = (some) => some.reduce((total, { value }) => total + value, 0);

function parsedLabels(text = "") {
  const pairs = [...text.matchAll(LABEL)];
  return Object.fromEntries(pairs.map(([, name, value]) => [name, unescaped(value)]));
}

const unescaped = (value) =>
  value.replace(/\\(.)/g, (_, character) => (character === "n" ? "\n" : character));

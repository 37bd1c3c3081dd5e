/** The options of requests that depend on the model. */

import { byId, element } from "./dom.js";

/** Offer the options that a model has. */
export function offerOptions(model) {
  const length = byId("length");
  const choices = [["", `${model.dimension} (whole)`], ...model.lengths.map((n) => [n, String(n)])];
  offer(length, choices);
  length.closest(".option").hidden = model.lengths.length === 0;
  const side = byId("side");
  const sides = model.input_types.map((type) => [type, type === "query" ? "queries" : "passages"]);
  // A passage is the safer default: texts are compared like the passages of a corpus.
  sides.reverse();
  if (!model.input_type_required) sides.push(["", "neither"]);
  offer(side, sides);
  side.closest(".option").hidden = model.input_types.length === 0;
}

/** Return the options of all requests, as fields of the body. */
export function options() {
  const length = byId("length").value;
  const truncate = byId("truncate").value;
  return { ...(length && { dimensions: Number(length) }), ...(truncate && { truncate }) };
}

/** Return the input type of compared texts, as a field of the body. */
export function comparedSide() {
  const side = byId("side").value;
  return side ? { input_type: side } : {};
}

/** Offer choices, pairs of a value and a label; the selection is kept if it is still offered. */
function offer(select, choices) {
  const selected = select.value;
  select.replaceChildren(...choices.map(([value, label]) => element("option", { value }, label)));
  if (choices.some(([value]) => String(value) === selected)) select.value = selected;
}

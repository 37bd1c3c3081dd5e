/** The embedding of texts and images. */

import { shortened } from "./dom.js";

/**
 * Embed the inputs of a request.
 *
 * @param {import("./api.js").Api} api
 * @param {import("./snippets.js").Embedding} request
 * @param {string} field Id of the field with the texts; an error about one of them names it.
 */
export async function embed(api, { model, inputs, options }, field) {
  const input = inputs.map((each) => (typeof each === "string" ? each : each.url));
  try {
    return await api.embed({ model, input, ...options });
  } catch (error) {
    const wrong = inputs[error.inputIndex];
    if (wrong !== undefined) {
      error.field = field;
      error.input = `${error.inputIndex + 1}: ${wrong.name ?? shortened(wrong, 80)}`;
    }
    throw error;
  }
}

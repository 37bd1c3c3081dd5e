/** The comparison of texts and images with each other. */

import { showCode } from "./code.js";
import { copyButton } from "./copying.js";
import { byId, counted, decimal, element, lines } from "./dom.js";
import { embed } from "./embedding.js";
import { Form, InputError } from "./form.js";
import { showHeatmap } from "./heatmap.js";
import { comparedSide, options } from "./options.js";
import { Images, thumbnail } from "./images.js";
import { curl, pythonPairs } from "./snippets.js";
import { strip } from "./strip.js";

/** Maximum inputs in the list; the heat map has a limit of its own. */
const MAX_LISTED = 200;

/** Numbers of a vector that are shown without opening it. */
const FIRST = 4;

/** Embeds inputs and shows their tokens, their vectors and the similarity of each pair. */
export class Comparison {
  #api;
  #models;
  #images = new Images(byId("compare-images"));

  /**
   * @param {import("./api.js").Api} api
   * @param {import("./models.js").Models} models
   * @param {(error: Error) => void} onError
   */
  constructor(api, models, onError) {
    this.#api = api;
    this.#models = models;
    new Form("compare", () => this.#run(), onError);
  }

  /** Adapt the form to a model. */
  adapt(model) {
    this.#images.visible = model.modalities.includes("image");
  }

  async #run() {
    const texts = lines(byId("compare-texts").value);
    const inputs = [...texts, ...this.#images.items];
    if (!inputs.length) throw new InputError("Enter at least one text.", "compare-texts");
    const model = this.#models.selected;
    const request = { model: model.id, inputs, options: { ...comparedSide(), ...options() } };
    const result = await embed(this.#api, request, "compare-texts");
    const counts = texts.length
      ? await this.#api.tokenCounts({ model: model.id, input: texts, ...comparedSide() })
      : [];
    this.#show(request, result, counts, model.max_tokens);
    const parts = [
      counted(inputs.length, "input"),
      counted(result.tokens, "token"),
      counted(result.vectors[0].length, "dimension"),
      `${Math.round(result.milliseconds)} ms`,
    ];
    return parts.join(", ");
  }

  #show(request, { vectors }, counts, limit) {
    const { inputs } = request;
    showHeatmap(vectors, inputs);
    const listed = inputs.slice(0, MAX_LISTED);
    const items = listed.map((input, i) => item(input, vectors[i], counts[i], limit));
    byId("vectors").replaceChildren(...items);
    byId("vectors-note").textContent =
      inputs.length > MAX_LISTED ? `The first ${MAX_LISTED} of ${inputs.length} are shown.` : "";
    showCode(byId("compare-code"), {
      curl: curl([request], this.#api.base, this.#api.hasKey),
      Python: pythonPairs(request, this.#api.base, this.#api.hasKey),
    });
  }
}

function item(input, vector, count, limit) {
  const content = typeof input === "string" ? input : thumbnail(input);
  const head = element("div", { class: "head" }, element("span", { class: "text" }, content));
  if (count !== undefined) {
    const tokens = element("span", { class: "tokens" }, counted(count, "token"));
    if (count > limit) tokens.append(`, of which ${limit} are read`);
    head.append(tokens);
  }
  return element("li", {}, head, strip(vector), numbers(vector));
}

/** Return the numbers of a vector: the first, and all after a click. */
function numbers(vector) {
  const all = `[${[...vector].map((value) => Number(value.toPrecision(7))).join(", ")}]`;
  const first = [...vector.slice(0, FIRST)].map((value) => decimal(value, 4)).join("  ");
  const summary = element("summary", {}, `${first}  … ${vector.length} numbers`);
  const text = element("pre", { tabIndex: 0 }, all);
  text.setAttribute("role", "region");
  text.setAttribute("aria-label", "All numbers of the vector");
  return element("details", {}, summary, copyButton("Copy vector", () => all), text);
}

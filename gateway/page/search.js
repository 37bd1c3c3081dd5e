/** The search: passages and images by similarity to a query. */

import { showCode } from "./code.js";
import { byId, counted, decimal, element, lines } from "./dom.js";
import { embed } from "./embedding.js";
import { Form, InputError } from "./form.js";
import { options } from "./options.js";
import { Images, thumbnail } from "./images.js";
import { curl, pythonRanking } from "./snippets.js";
import { ranked } from "./vectors.js";

/** Maximum hits in the list. */
const MAX_HITS = 100;

/** Embeds a query and passages, and shows the passages by falling similarity. */
export class Search {
  #api;
  #models;
  #images = new Images(byId("search-images"));

  /**
   * @param {import("./api.js").Api} api
   * @param {import("./models.js").Models} models
   * @param {(error: Error) => void} onError
   */
  constructor(api, models, onError) {
    this.#api = api;
    this.#models = models;
    new Form("search", () => this.#run(), onError);
  }

  /** Adapt the form to a model. */
  adapt(model) {
    this.#images.visible = model.modalities.includes("image");
  }

  async #run() {
    const text = byId("search-query").value.trim();
    const inputs = [...lines(byId("search-passages").value), ...this.#images.items];
    if (!text) throw new InputError("Enter a query.", "search-query");
    if (!inputs.length) throw new InputError("Enter at least one passage.", "search-passages");
    const model = this.#models.selected;
    const side = (type) => (model.input_types.includes(type) ? { input_type: type } : {});
    const query = { model: model.id, inputs: [text], options: { ...side("query"), ...options() } };
    const passages = { model: model.id, inputs, options: { ...side("passage"), ...options() } };
    const forQuery = await embed(this.#api, query, "search-query");
    const forPassages = await embed(this.#api, passages, "search-passages");
    this.#show(query, passages, ranked(forQuery.vectors[0], forPassages.vectors));
    const milliseconds = Math.round(forQuery.milliseconds + forPassages.milliseconds);
    const tokens = counted(forQuery.tokens + forPassages.tokens, "token");
    return `${counted(inputs.length, "passage")}, ${tokens}, ${milliseconds} ms`;
  }

  #show(query, passages, hits) {
    const items = hits.slice(0, MAX_HITS).map((hit) => item(hit, passages.inputs[hit.index]));
    byId("hits").replaceChildren(...items);
    byId("hits-note").textContent =
      hits.length > MAX_HITS ? `The best ${MAX_HITS} of ${hits.length} are shown.` : "";
    const { base, hasKey } = this.#api;
    showCode(byId("search-code"), {
      curl: curl([query, passages], base, hasKey),
      Python: pythonRanking(query, passages, base, hasKey),
    });
  }
}

function item({ index, score }, input) {
  const bar = element("span", { class: "bar" });
  bar.setAttribute("aria-hidden", "true");
  bar.style.setProperty("--score", Math.min(1, Math.max(0, score)));
  const content = typeof input === "string" ? input : thumbnail(input);
  return element(
    "li",
    {},
    element("span", { class: "score" }, decimal(score)),
    element("span", { class: "text" }, content),
    element("span", { class: "place" }, `passage ${index + 1}`),
    bar,
  );
}

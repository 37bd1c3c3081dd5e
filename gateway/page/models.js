/** The choice of a model. */

import { byId, counted, element } from "./dom.js";

const DATE = new Intl.DateTimeFormat("en", { dateStyle: "medium" });

/** Lengths that are offered for a model whose vectors may have any length. */
const LENGTHS = [64, 128, 256, 512, 768, 1024, 1536, 2048];

/** Shows the models as cards, of which one is selected. */
export class Models {
  #api;
  #onChange;
  #all = [];

  /**
   * @param {import("./api.js").Api} api
   * @param {() => void} onChange Called when another model is selected.
   */
  constructor(api, onChange) {
    this.#api = api;
    this.#onChange = onChange;
    byId("models").addEventListener("change", () => this.#changed());
  }

  /** The selected model; undefined if there is none. */
  get selected() {
    const id = byId("models").querySelector("input:checked")?.value;
    return this.#all.find((model) => model.id === id);
  }

  /**
   * Request the models and show them; the selection is kept.
   *
   * @throws {import("./api.js").ApiError} There is no model, or the key is missing.
   */
  async load() {
    const selected = this.selected?.id;
    try {
      const [listed, specs] = await Promise.all([this.#api.models(), this.#api.specs()]);
      this.#all = grouped(listed, specs);
    } catch (error) {
      this.#all = [];
      this.#render();
      throw error;
    }
    this.#render(selected);
  }

  #render(selected) {
    const checked = this.#all.some(({ id }) => id === selected) ? selected : this.#all[0]?.id;
    const group = byId("models");
    const hadFocus = group.contains(document.activeElement);
    group.replaceChildren(...this.#all.map((model) => card(model, checked)));
    if (hadFocus) group.querySelector("input:checked")?.focus();
    this.#changed();
  }

  #changed() {
    const model = this.selected;
    byId("details").hidden = !model;
    byId("facts").replaceChildren(...(model ? facts(model) : []));
    this.#onChange();
  }
}

/**
 * Return the models, each with all of its names and its spec.
 *
 * Aliases and names with a suffix are listed as models whose `root` is the model's id.
 */
function grouped(listed, specs) {
  const roots = [...new Set(listed.map((each) => each.root))];
  return roots.map((root) => {
    const all = listed.filter((each) => each.root === root);
    const model = all.find(({ id }) => id === root) ?? all[0];
    const spec = specs.find(({ model_id }) => model_id === root) ?? {};
    return { ...model, names: all.map(({ id }) => id), spec, lengths: lengths(model, spec) };
  });
}

/** Return the lengths of vectors that a request may name, besides the model's own. */
function lengths({ dimension }, { matryoshka_dimensions: allowed }) {
  if (!allowed) return [];
  const sizes = allowed === "any" ? LENGTHS : allowed.split(",").map(Number);
  return sizes.filter((size) => size < dimension).sort((a, b) => b - a);
}

function card(model, checked) {
  const radio = element("input", {
    type: "radio",
    name: "model",
    value: model.id,
    checked: model.id === checked,
    "aria-label": model.id,
    "aria-describedby": `properties-${model.id}`,
  });
  const properties = [
    counted(model.dimension, "dimension"),
    `up to ${counted(model.max_tokens, "token")}`,
    model.modalities.includes("image") ? "texts and images" : "texts",
    model.input_types.length ? "queries differ from passages" : "",
  ].filter(Boolean);
  return element(
    "label",
    { class: "card" },
    radio,
    element("span", { class: "name" }, ...words(model.id)),
    element(
      "span",
      { class: "properties", id: `properties-${model.id}` },
      ...properties.map((text) => element("span", {}, text)),
    ),
  );
}

/** Return a model's id in parts between which a line may break: after each slash. */
const words = (id) => id.split(/(?<=\/)/).map((part) => element("span", {}, part));

/** Return the terms and descriptions of a model's properties. */
function facts(model) {
  const { spec } = model;
  const prompts = ["query", "passage", "default"]
    .filter((side) => spec[`prompt_${side}`])
    .map((side) => `${side}: “${spec[`prompt_${side}`]}”`);
  const rows = {
    "Names in requests": model.names.join(", "),
    "Vector length": [model.dimension, ...model.lengths].join(", "),
    "Tokens per input": `up to ${model.max_tokens.toLocaleString("en")}`,
    "Query and passage": queries(model),
    "Added before a text": prompts.join(", ") || "nothing",
    "Element types": (spec.embedding_types ?? "").split(",").join(", "),
    Pooling: spec.pooling ?? "",
    Inputs: model.modalities.map((name) => name.replace("_", " with ")).join(", "),
    Exported: model.exported_at ? DATE.format(new Date(model.exported_at)) : "",
  };
  return Object.entries(rows)
    .filter(([, value]) => value)
    .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}

function queries(model) {
  if (!model.input_types.length) return "treated the same";
  return model.input_type_required
    ? "embedded differently; a request must state which"
    : "embedded differently";
}

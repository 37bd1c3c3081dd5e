/** The live figures in the head of the page, from the server's metrics. */

import { byId, decimal } from "./dom.js";
import { samples, sum } from "./metrics.js";

/** Milliseconds between two requests for the metrics; none is sent while the page is hidden. */
const PERIOD = 2000;

/** Maximum points of the curve: two minutes. */
const MAX_POINTS = 60;

const PREFIX = "triton_embed_";
const NAMES = [
  "http_requests_total",
  "tokens_total",
  "inputs_waiting",
  "inputs_in_flight",
  "inputs_limit",
  "model_ready",
  "build_info",
].map((name) => PREFIX + name);

/** Routes whose requests are counted: those that do a model's work. */
const ROUTES = new Set(["/v1/embeddings", "/v1/tokenize", "/tokenize"]);

/** Polls the metrics and shows requests/s, tokens/s and the queue. */
export class Live {
  #api;
  #onModels;
  #before;
  #ready;
  #points = [];

  /**
   * @param {import("./api.js").Api} api
   * @param {() => void} onModels Called after the set of served models has changed.
   */
  constructor(api, onModels) {
    this.#api = api;
    this.#onModels = onModels;
  }

  /** Poll until the page is closed. */
  async run() {
    for (;;) {
      if (!document.hidden) await this.#poll();
      await new Promise((resolve) => setTimeout(resolve, PERIOD));
    }
  }

  async #poll() {
    let text;
    try {
      text = await this.#api.metrics();
    } catch (error) {
      this.#before = undefined;
      show("state", error.status ? "no metrics" : "not responding");
      byId("live").dataset.state = "unknown";
      return;
    }
    this.#show(new Map([...samples(text, NAMES)].map(([name, some]) => [key(name), some])));
  }

  #show(found) {
    const of = (name) => found.get(name);
    const now = {
      time: performance.now(),
      requests: sum(of("http_requests_total").filter(({ labels }) => ROUTES.has(labels.route))),
      tokens: sum(of("tokens_total")),
    };
    const requests = this.#rate(now, "requests");
    show("requests", rate(requests));
    show("tokens", rate(this.#rate(now, "tokens")));
    show("waiting", String(sum(of("inputs_waiting"))));
    show("in-flight", `${sum(of("inputs_in_flight"))} of ${sum(of("inputs_limit"))}`);
    show("version", of("build_info")[0]?.labels.version ?? "");
    this.#before = now;
    this.#curve(requests);
    this.#models(of("model_ready"));
  }

  /** Return the increase per second; 0 at first, and after a restart of the server. */
  #rate(now, name) {
    if (!this.#before) return 0;
    const seconds = (now.time - this.#before.time) / 1000;
    return Math.max(0, now[name] - this.#before[name]) / seconds;
  }

  #curve(value) {
    this.#points = [...this.#points, value].slice(-MAX_POINTS);
    const top = Math.max(...this.#points, 1);
    const start = MAX_POINTS - this.#points.length;
    const places = this.#points.map((point, i) => `${start + i},${20 - (18 * point) / top - 1}`);
    byId("curve").setAttribute("points", places.join(" "));
  }

  #models(some) {
    const ready = some.filter(({ value }) => value === 1).map(({ labels }) => labels.model);
    byId("live").dataset.state = ready.length ? "ready" : "waiting";
    show("state", ready.length ? "ready" : "no model yet");
    const state = ready.sort().join("\n");
    if (this.#ready !== undefined && this.#ready !== state) this.#onModels();
    this.#ready = state;
  }
}

const key = (name) => name.slice(PREFIX.length);

const show = (name, text) => {
  byId(`live-${name}`).textContent = text;
};

const rate = (value) =>
  value < 10 ? decimal(value, value ? 1 : 0) : Math.round(value).toLocaleString("en");

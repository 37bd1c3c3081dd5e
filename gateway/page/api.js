/** The server's HTTP API. */

/** A response that is not a success, or no response at all. */
export class ApiError extends Error {
  /**
   * @param {string} message The server's message, unchanged.
   * @param {object} details
   * @param {number} details.status HTTP status; 0 without a response.
   * @param {string} details.code The error's code.
   * @param {number} details.retryAfter Seconds until another attempt is useful; NaN if not stated.
   */
  constructor(message, { status = 0, code = "", retryAfter = NaN } = {}) {
    super(message);
    Object.assign(this, { status, code, retryAfter });
  }

  /** Index of the input at fault, from 0; -1 if the message names none. */
  get inputIndex() {
    const found = /\(input\[(\d+)\]\)$/.exec(this.message);
    return found ? Number(found[1]) : -1;
  }
}

/** Sends requests. The key is kept in memory only. */
export class Api {
  #key = "";

  /** @param {URL} base Address of the server, ending with a slash. */
  constructor(base) {
    this.base = base;
  }

  /** Set the key that every request carries; empty: none. */
  set key(value) {
    this.#key = value;
  }

  /** Whether requests carry a key. */
  get hasKey() {
    return this.#key !== "";
  }

  /** Request the models that a request can name. */
  async models() {
    return (await this.#json("v1/models")).data;
  }

  /** Request the specs of all models. */
  async specs() {
    return (await this.#json("v1/manifest")).models;
  }

  /** Request the metrics, in Prometheus' text format. */
  async metrics() {
    return (await this.#send("metrics")).text();
  }

  /**
   * Embed inputs.
   *
   * @param {object} body Body of the request.
   * @returns {Promise<{vectors: Float32Array[], tokens: number, milliseconds: number}>}
   */
  async embed(body) {
    const start = performance.now();
    const response = await this.#json("v1/embeddings", { ...body, encoding_format: "base64" });
    return {
      vectors: response.data.map((item) => floats(item.embedding)),
      tokens: response.usage.prompt_tokens,
      milliseconds: performance.now() - start,
    };
  }

  /** Return the number of tokens of each text, before truncation. */
  async tokenCounts({ model, input, input_type }) {
    const response = await this.#json("v1/tokenize", { model, input, input_type });
    return response.data.map((item) => item.count);
  }

  async #json(path, body) {
    return (await this.#send(path, body)).json();
  }

  async #send(path, body) {
    const headers = this.#key ? { authorization: `Bearer ${this.#key}` } : {};
    const options = { headers, credentials: "same-origin", cache: "no-store" };
    if (body !== undefined) {
      headers["content-type"] = "application/json";
      Object.assign(options, { method: "POST", body: JSON.stringify(body) });
    }
    let response;
    try {
      response = await fetch(new URL(path, this.base), options);
    } catch {
      throw new ApiError("The server did not respond. Check that it is running.");
    }
    if (response.ok) return response;
    throw await error(response);
  }
}

/** Return the error that a response describes; a proxy's response may have another form. */
async function error(response) {
  const body = await response.json().catch(() => ({}));
  const { status } = response;
  const message = body.message ?? `The response has status ${status} and no message.`;
  const retryAfter = Number.parseFloat(response.headers.get("retry-after") ?? "");
  return new ApiError(message, { status, code: body.code ?? "", retryAfter });
}

/** Return the numbers in base64 of little-endian 32-bit floats. */
function floats(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

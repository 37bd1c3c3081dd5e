/** A form whose work is a request to the server. */

import { byId, element } from "./dom.js";

/** Runs the work of a form once at a time, and shows its progress and its errors. */
export class Form {
  #form;
  #button;
  #error;
  #status;
  #results;

  /**
   * @param {string} name Beginning of the ids of the form's elements.
   * @param {() => Promise<string>} work Returns a sentence about the result.
   * @param {(error: import("./api.js").ApiError) => void} onError Called after the work has failed.
   */
  constructor(name, work, onError) {
    this.#form = byId(`${name}-form`);
    this.#button = this.#form.querySelector("button[type=submit]");
    this.#error = byId(`${name}-error`);
    this.#status = byId(`${name}-status`);
    this.#results = byId(`${name}-results`);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#run(work, onError);
    });
    this.#form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#form.requestSubmit();
    });
  }

  async #run(work, onError) {
    if (this.#button.getAttribute("aria-disabled") === "true") return;
    this.#busy(true);
    this.#error.replaceChildren();
    this.#fields((field) => field.removeAttribute("aria-invalid"));
    try {
      this.#status.textContent = await work();
      this.#results.hidden = false;
      this.#status.scrollIntoView({ block: "nearest" });
    } catch (error) {
      this.#status.textContent = "";
      this.#results.hidden = true;
      this.#error.append(...described(error));
      if (error.field) this.#invalid(error.field);
      onError(error);
    } finally {
      this.#busy(false);
    }
  }

  #busy(isBusy) {
    this.#button.setAttribute("aria-disabled", String(isBusy));
    this.#results.setAttribute("aria-busy", String(isBusy));
    if (isBusy) this.#status.textContent = "Waiting for the server …";
  }

  #fields(change) {
    this.#form.querySelectorAll("textarea, input[type=text]").forEach(change);
  }

  #invalid(id) {
    const field = byId(id);
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

/** An input that the page rejects itself. */
export class InputError extends Error {
  /**
   * @param {string} message
   * @param {string} field Id of the field at fault.
   */
  constructor(message, field) {
    super(message);
    this.field = field;
  }
}

function described(error) {
  const parts = [element("strong", {}, error.message)];
  if (error.input) parts.push(element("span", {}, `Input ${error.input}`));
  const notes = [
    error.status && `status ${error.status}`,
    error.code && `code ${error.code}`,
    error.retryAfter >= 0 && `try again in ${error.retryAfter} s`,
  ].filter(Boolean);
  if (notes.length) parts.push(element("span", { class: "note" }, notes.join(", ")));
  return parts;
}

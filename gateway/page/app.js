/** The page of triton-embed: models, a comparison, a search and live figures. */

import { Api } from "./api.js";
import { Comparison } from "./compare.js";
import { byId } from "./dom.js";
import { Live } from "./live.js";
import { Models } from "./models.js";
import { offerOptions } from "./options.js";
import { Search } from "./search.js";
import { tabs } from "./tabs.js";

/** The server's address, whatever prefix a proxy adds: that of this file without `page/app.js`. */
const api = new Api(new URL("..", import.meta.url));

const models = new Models(api, adapt);
const forms = [new Comparison(api, models, onError), new Search(api, models, onError)];

/** Adapt the forms to the selected model. */
function adapt() {
  const model = models.selected;
  byId("work").hidden = !model;
  if (!model) return;
  offerOptions(model);
  forms.forEach((form) => form.adapt(model));
}

/** Request the models; without them, show the reason. */
async function load() {
  try {
    await models.load();
    byId("problem").hidden = true;
    byId("key").hidden = true;
    return true;
  } catch (error) {
    const isKeyMissing = error.status === 401;
    byId("key").hidden = !isKeyMissing;
    byId("problem").hidden = isKeyMissing;
    byId("problem-message").textContent = error.message;
    byId("key-error").textContent = isKeyMissing && api.hasKey ? "The server rejected this key." : "";
    return false;
  }
}

/** Show the form for the key if the server requires one. */
function onError(error) {
  if (error.status !== 401) return;
  byId("key").hidden = false;
  byId("key-value").focus();
}

byId("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  api.key = byId("key-value").value.trim();
  const isAccepted = await load();
  (isAccepted ? byId("models").querySelector("input:checked") : byId("key-value"))?.focus();
});
byId("again").addEventListener("click", load);

/** Without this, a browser would leave the page for a file that is dropped next to the list. */
for (const type of ["dragover", "drop"]) {
  addEventListener(type, (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
}

tabs(byId("tasks"));
load();
new Live(api, load).run();

"""Embed a text with each model of the service at $URL; the exit status is 1 if one fails."""

import json
import os
import ssl
import urllib.request

KEY = os.environ.get("KEYS", "").partition(",")[0]
# The certificate names the host of the API, not the Service.
CONTEXT = ssl._create_unverified_context()


def request(path, body=None):
    """Return the JSON of a response; a body makes it a POST request."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    sent = urllib.request.Request(os.environ["URL"] + path, data, headers)
    with urllib.request.urlopen(sent, timeout=60, context=CONTEXT) as response:
        return json.load(response)


models = [model["id"] for model in request("/v1/models")["data"]]
for model in models:
    body = {"model": model, "input": ["hello"], "input_type": "query"}
    vector = request("/v1/embeddings", body)["data"][0]["embedding"]
    print(f"{model}: {len(vector)} dimensions")
assert models, "no model is served"

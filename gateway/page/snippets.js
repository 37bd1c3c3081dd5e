/** Programs that send the same requests as the page. Keys are not in them. */

/**
 * A request to `/v1/embeddings`.
 *
 * @typedef {object} Embedding
 * @property {string} model
 * @property {(string|{name: string, type: string})[]} inputs Texts and images.
 * @property {object} options Further fields of the body.
 */

/**
 * Return shell commands with one `curl` for each request.
 *
 * @param {Embedding[]} requests
 * @param {URL} base Address of the server.
 * @param {boolean} hasKey Whether the server needs a key.
 */
export const curl = (requests, base, hasKey) =>
  requests.map((request) => curlCommand(request, base, hasKey)).join("\n\n");

function curlCommand({ model, inputs, options }, base, hasKey) {
  const hasImages = inputs.some((input) => typeof input !== "string");
  const quote = hasImages ? inHereDocument : inQuotes;
  const items = inputs.map((input) =>
    typeof input === "string" ? quote(JSON.stringify(input)) : encodedFile(input),
  );
  const body = [
    `"model": ${quote(JSON.stringify(model))}`,
    `"input": [\n    ${items.join(",\n    ")}\n  ]`,
    ...Object.entries(options).map(([name, value]) => `"${name}": ${JSON.stringify(value)}`),
  ];
  const json = `{\n  ${body.join(",\n  ")}\n}`;
  const head = [
    `curl ${new URL("v1/embeddings", base)}`,
    "-H 'Content-Type: application/json'",
    ...(hasKey ? ['-H "Authorization: Bearer $API_KEY"'] : []),
    hasImages ? `-d @- <<JSON\n${json}\nJSON` : `-d '${json}'`,
  ];
  return head.join(" \\\n  ");
}

/** Escape a part of a text in single quotes. */
const inQuotes = (text) => text.replaceAll("'", "'\\''");

/** Escape a part of a here-document in which the shell expands commands. */
const inHereDocument = (text) => text.replace(/[\\$`]/g, "\\$&");

/** Return the data URL of a file, too long for a command line, as the shell computes it. */
const encodedFile = ({ name, type }) =>
  `"data:${type};base64,$(base64 < '${inQuotes(name)}' | tr -d '\\n')"`;

/**
 * Return a Python program that prints the similarity of each pair.
 *
 * @param {Embedding} request
 * @param {URL} base Address of the server.
 * @param {boolean} hasKey Whether the server needs a key.
 */
export function pythonPairs(request, base, hasKey) {
  return [
    pythonHead([request], base, hasKey),
    `vectors = ${pythonCall(request)}`,
    "print((vectors @ vectors.T).round(2))",
  ].join("\n");
}

/**
 * Return a Python program that prints passages by falling similarity to a query.
 *
 * @param {Embedding} query
 * @param {Embedding} passages
 * @param {URL} base Address of the server.
 * @param {boolean} hasKey Whether the server needs a key.
 */
export function pythonRanking(query, passages, base, hasKey) {
  return [
    pythonHead([query, passages], base, hasKey),
    `query = ${pythonCall(query)}`,
    `passages = ${pythonCall(passages)}`,
    "scores = passages @ query[0]",
    "for i in np.argsort(-scores):",
    '    print(f"{scores[i]:.2f}  passage {i + 1}")',
  ].join("\n");
}

function pythonHead(requests, base, hasKey) {
  const hasImages = requests.some(({ inputs }) => inputs.some((each) => typeof each !== "string"));
  const imports = [hasImages && "import base64", hasKey && "import os"].filter(Boolean);
  const key = hasKey ? 'os.environ["API_KEY"]' : '"unused"';
  return [
    "# pip install openai numpy",
    ...imports,
    ...(imports.length ? [""] : []),
    "import numpy as np",
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url="${new URL("v1", base)}", api_key=${key})`,
    "",
    "",
    ...(hasImages ? IMAGE : []),
    ...EMBED,
  ].join("\n");
}

const IMAGE = [
  "def image(path, type):",
  '    """Return the file as a data URL."""',
  '    with open(path, "rb") as file:',
  '        return f"data:{type};base64,{base64.b64encode(file.read()).decode()}"',
  "",
  "",
];

const EMBED = [
  "def embed(model, texts, **options):",
  '    """Return unit vectors, one row for each input."""',
  "    response = client.embeddings.create(model=model, input=texts, extra_body=options)",
  "    vectors = np.array([item.embedding for item in response.data])",
  "    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)",
  "",
  "",
];

/** JSON's strings and numbers are Python's, too. */
function pythonCall({ model, inputs, options }) {
  const items = inputs.map((input) =>
    typeof input === "string"
      ? JSON.stringify(input)
      : `image(${JSON.stringify(input.name)}, ${JSON.stringify(input.type)})`,
  );
  const named = Object.entries(options).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const list = `[\n        ${items.join(",\n        ")},\n    ]`;
  const values = [JSON.stringify(model), list, ...named];
  return `embed(\n    ${values.join(",\n    ")},\n)`;
}

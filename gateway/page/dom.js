/** Elements of the page. All text is set as text, never parsed as HTML. */

/** Return the element with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * Return a new element.
 *
 * @param {string} name Name of its tag.
 * @param {object} properties Properties, or attributes if the element has no such property.
 * @param {...(Node|string)} children Its contents.
 */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Return the non-blank lines of a text, without the spaces around them. */
export const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** Return a number with its noun: `1 text`, `2 texts`. */
export const counted = (number, noun) =>
  `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** Return a number with a fixed count of decimals, a real minus sign, and no negative zero. */
export function decimal(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** Return the start of a text, in at most `limit` characters. */
export function shortened(text, limit = 60) {
  const characters = [...text];
  return characters.length <= limit ? text : `${characters.slice(0, limit - 1).join("")}…`;
}

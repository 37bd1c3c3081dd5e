/** Similarities of vectors. */

/** Return the cosine of the angle between two vectors; 0 if one of them is zero. */
export function cosine(a, b) {
  let product = 0;
  let lengthA = 0;
  let lengthB = 0;
  for (let i = 0; i < a.length; i++) {
    product += a[i] * b[i];
    lengthA += a[i] * a[i];
    lengthB += b[i] * b[i];
  }
  const lengths = Math.sqrt(lengthA * lengthB);
  return lengths ? product / lengths : 0;
}

/** Return the similarity of each pair of vectors, as rows. */
export const similarities = (vectors) => vectors.map((a) => vectors.map((b) => cosine(a, b)));

/**
 * Return the indices of `vectors` by falling similarity to `query`, with the similarities.
 *
 * @returns {{index: number, score: number}[]}
 */
export function ranked(query, vectors) {
  const scores = vectors.map((vector, index) => ({ index, score: cosine(query, vector) }));
  return scores.sort((a, b) => b.score - a.score || a.index - b.index);
}

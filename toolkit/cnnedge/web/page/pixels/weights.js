/**
 * How much each pixel of an axis counts in each pixel of the result, in integers.
 *
 * The lengths of an axis before and after enter; Weights leave. The formulas are those of
 * docs/pixels.md, which cnnedge computes everywhere else. All numbers stay below 2^53, where
 * JavaScript's are exact.
 */

/** The weights of `area`, `bilinear` and `nearest` add up to this. */
export const TOTAL = 256;

/**
 * One axis. first: the first pixel that counts in each pixel of the result. weights: `taps` for
 * each of them, for the pixels from there on; those beyond the end are 0.
 * @typedef {{first: Int32Array, weights: Int32Array, taps: number}} Weights
 */

/**
 * a / b, rounded; halves to the even number.
 * @param {number} a
 * @param {number} b
 */
export function roundHalfEven(a, b) {
  const quotient = Math.floor(a / b);
  const twice = 2 * (a - quotient * b);
  return quotient + (twice > b || (twice === b && quotient % 2 !== 0) ? 1 : 0);
}

/**
 * The share of each pixel in [i * n / m, (i + 1) * n / m), cut at 256ths of it.
 * @param {number} n
 * @param {number} m
 * @returns {Weights}
 */
function area(n, m) {
  const first = new Int32Array(m);
  let taps = 0;
  for (let i = 0; i < m; i++) {
    first[i] = Math.floor((i * n) / m);
    taps = Math.max(taps, Math.ceil(((i + 1) * n) / m) - first[i]);
  }
  const weights = new Int32Array(m * taps);
  for (let i = 0; i < m; i++) {
    let before = 0;
    for (let t = 0; t < taps; t++) {
      const covered = Math.min(n, Math.max(0, (first[i] + t + 1) * m - i * n));
      const until = Math.floor((2 * TOTAL * covered + n) / (2 * n));
      weights[i * taps + t] = until - before;
      before = until;
    }
  }
  return { first, weights, taps };
}

/**
 * The two pixels around the middle of each pixel of the result; beyond an end, the end.
 * @param {number} n
 * @param {number} m
 * @returns {Weights}
 */
function bilinear(n, m) {
  const first = new Int32Array(m);
  const weights = new Int32Array(m * 2);
  for (let i = 0; i < m; i++) {
    const middle = (2 * i + 1) * n - m;
    const left = Math.floor(middle / (2 * m));
    let right = roundHalfEven(TOTAL * (middle - left * 2 * m), 2 * m);
    if (left < 0 || left >= n - 1) right = 0;
    first[i] = Math.min(n - 1, Math.max(0, left));
    weights[2 * i] = TOTAL - right;
    weights[2 * i + 1] = right;
  }
  return { first, weights, taps: 2 };
}

/**
 * The pixel in which the first edge of each pixel of the result lies.
 * @param {number} n
 * @param {number} m
 * @returns {Weights}
 */
function nearest(n, m) {
  const first = Int32Array.from({ length: m }, (_, i) => Math.floor((i * n) / m));
  return { first, weights: new Int32Array(m).fill(TOTAL), taps: 1 };
}

/** @type {Record<string, (n: number, m: number) => Weights>} */
const TABLES = { area, bilinear, nearest };

/** @type {Map<string, Weights>} */
const known = new Map();

/**
 * The weights of an axis of `before` pixels, scaled to `after`. make: what computes them.
 * @param {string} name
 * @param {number} before
 * @param {number} after
 * @param {(n: number, m: number) => Weights} make
 * @returns {Weights}
 */
export function kept(name, before, after, make) {
  const key = `${name} ${before} ${after}`;
  let found = known.get(key);
  if (!found) {
    // Pictures of all sizes may come; a camera has two.
    if (known.size >= 64) known.clear();
    found = make(before, after);
    known.set(key, found);
  }
  return found;
}

/**
 * The weights of an axis by `area`, `bilinear` or `nearest`.
 * @param {string} interpolation
 * @param {number} before
 * @param {number} after
 */
export function axisWeights(interpolation, before, after) {
  const make = TABLES[interpolation];
  if (!make) throw new Error(`the page knows no interpolation ${interpolation}`);
  return kept(interpolation, before, after, make);
}

/**
 * Scaling as Pillow does it, which torchvision and timm train with.
 *
 * Planes of three channels enter; scaled ones leave, equal to Pillow's `resize` to the bit: two
 * passes, each with weights in units of 2^-22 and a rounding to 8 bits.
 */
import { kept } from "./weights.js";

/**
 * Pixels of three channels, in rows.
 * @typedef {{data: Uint8Array, height: number, width: number}} Picture
 * @typedef {{support: number, at: (x: number) => number}} Filter
 */

export const PREFIX = "pillow_";
const BITS = 22;

/** @param {number} x */
const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

/** @param {number} x */
function bicubic(x) {
  const a = -0.5;
  x = Math.abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** @type {Record<string, Filter>} */
const FILTERS = {
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: bicubic },
  lanczos: { support: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/**
 * @param {Filter} filter
 * @param {number} n
 * @param {number} m
 * @returns {import("./weights.js").Weights}
 */
function axis(filter, n, m) {
  const scale = n / m;
  const wide = Math.max(scale, 1);
  const support = filter.support * wide;
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(m);
  const weights = new Int32Array(m * taps);
  const shares = new Float64Array(taps);
  for (let i = 0; i < m; i++) {
    const center = (i + 0.5) * scale;
    const begin = Math.max(0, Math.trunc(center - support + 0.5));
    const count = Math.min(n, Math.trunc(center + support + 0.5)) - begin;
    let sum = 0;
    for (let t = 0; t < count; t++) {
      shares[t] = filter.at((t + begin - center + 0.5) * (1 / wide));
      sum += shares[t];
    }
    first[i] = begin;
    for (let t = 0; t < count; t++) {
      const share = (sum === 0 ? shares[t] : shares[t] / sum) * 2 ** BITS;
      weights[i * taps + t] = Math.trunc(share < 0 ? share - 0.5 : share + 0.5);
    }
  }
  return { first, weights, taps };
}

/**
 * Scales along one axis. step: from a value to its neighbour on that axis; lines: the offsets at
 * which lines of the axis begin, in the source and in the result.
 * @param {Uint8Array} from
 * @param {Uint8Array} to
 * @param {import("./weights.js").Weights} weights
 * @param {{n: number, from: number, to: number}} step
 * @param {{count: number, from: number, to: number, values: number}} lines
 */
function pass(from, to, { first, weights, taps }, step, lines) {
  for (let line = 0; line < lines.count; line++) {
    for (let i = 0; i < first.length; i++) {
      const start = lines.from * line + first[i] * step.from;
      const end = Math.min(taps, step.n - first[i]);
      const out = lines.to * line + i * step.to;
      for (let v = 0; v < lines.values; v++) {
        let sum = 1 << (BITS - 1);
        for (let t = 0; t < end; t++) {
          sum += from[start + t * step.from + v] * weights[i * taps + t];
        }
        const value = sum >> BITS;
        to[out + v] = value < 0 ? 0 : value > 255 ? 255 : value;
      }
    }
  }
}

/**
 * @param {Picture} picture
 * @param {number} width
 * @param {string} name
 * @returns {Picture}
 */
function columnsTo(picture, width, name) {
  if (picture.width === width) return picture;
  const weights = kept(PREFIX + name, picture.width, width, (n, m) => axis(FILTERS[name], n, m));
  const data = new Uint8Array(picture.height * width * 3);
  const lines = { count: picture.height, from: picture.width * 3, to: width * 3, values: 3 };
  pass(picture.data, data, weights, { n: picture.width, from: 3, to: 3 }, lines);
  return { data, height: picture.height, width };
}

/**
 * @param {Picture} picture
 * @param {number} height
 * @param {string} name
 * @returns {Picture}
 */
function rowsTo(picture, height, name) {
  if (picture.height === height) return picture;
  const weights = kept(PREFIX + name, picture.height, height, (n, m) => axis(FILTERS[name], n, m));
  const row = picture.width * 3;
  const data = new Uint8Array(height * row);
  const lines = { count: 1, from: 0, to: 0, values: row };
  pass(picture.data, data, weights, { n: picture.height, from: row, to: row }, lines);
  return { data, height, width: picture.width };
}

/**
 * The picture at another size, by one of `pillow_box`, `pillow_bilinear`, `pillow_bicubic` and
 * `pillow_lanczos`.
 * @param {Picture} picture
 * @param {import("./boxes.js").Sides} sides
 * @param {string} interpolation
 * @returns {Picture}
 */
export function scaled(picture, { height, width }, interpolation) {
  const name = interpolation.slice(PREFIX.length);
  const rows = picture.height - height;
  const columns = picture.width - width;
  if (rows > 0 && rows > 2 * columns) {
    return columnsTo(rowsTo(picture, height, name), width, name);
  }
  return rowsTo(columnsTo(picture, width, name), height, name);
}

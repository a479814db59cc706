/**
 * Input pixels to the values of a tensor, and the values of a tensor to scores, as cnnedge does it
 * (encoding.py, decoding.py), by the model's description.
 *
 * @typedef {import("./types.js").Input} Input
 * @typedef {import("./types.js").Output} Output
 * @typedef {Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>} Values
 * @typedef {Float32Array<ArrayBuffer>} Scores
 */

// Of a probability that a quantised or rounded one may lie outside 0..1 by, and their sum off 1.
const SLACK = 0.05;
const SUM_SLACK = 0.1;

/**
 * @param {string} dtype
 * @param {number} length
 * @returns {Values}
 */
export function valuesOf(dtype, length) {
  if (dtype === "float32") return new Float32Array(length);
  return dtype === "int32" ? new Int32Array(length) : new Uint8Array(length);
}

/**
 * @param {Uint8Array<ArrayBuffer>} pixels  height x width x channels
 * @param {Input} input
 * @returns {Values}
 */
export function encode(pixels, input) {
  const { channels, levels } = input;
  if (!levels && !input.bgr && !input.channels_first && input.dtype === "uint8") return pixels;
  const out = valuesOf(input.dtype, pixels.length);
  const plane = input.height * input.width;
  for (let i = 0, at = 0; i < plane; i++) {
    for (let c = 0; c < channels; c++, at++) {
      const level = pixels[input.bgr ? i * channels + (channels - 1 - c) : at];
      out[input.channels_first ? c * plane + i : at] = levels ? levels[c][level] : level;
    }
  }
  return out;
}

/**
 * A tensor's values as real numbers: (value - zero point) * scale, in 32-bit floats.
 * @param {Values} raw
 * @param {Output} output
 */
function real(raw, output) {
  const found = Float32Array.from(raw);
  if (output.scale !== null) {
    for (let i = 0; i < found.length; i++) {
      found[i] = Math.fround(found[i] - output.zero_point) * output.scale;
    }
  }
  return found;
}

/** @param {Scores} values */
function softmax(values) {
  const highest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Float64Array.from(values, (v) => Math.exp(v - highest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return Float32Array.from(powers, (v) => v / sum);
}

/**
 * @param {Scores} values
 * @param {boolean} whole  whether they must sum up to 1
 */
function checked(values, whole) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const sum = values.reduce((a, b) => a + b, 0);
  const off = whole && values.length > 1 && Math.abs(sum - 1) > SUM_SLACK;
  if (low < -SLACK || high > 1 + SLACK || off) {
    throw new Error(
      `the outputs reach from ${low.toPrecision(4)} to ${high.toPrecision(4)} and sum up to ` +
        `${sum.toPrecision(4)}, so they are no probabilities. Start cnnedge demo with ` +
        "--activation softmax, sigmoid or none",
    );
  }
  return within(values);
}

/** @param {Scores} values */
const within = (values) => values.map((v) => Math.min(1, Math.max(0, v)));

/** @type {Record<string, (values: Scores) => Scores>} */
const STEPS = {
  softmax,
  sigmoid: (values) => values.map((v) => 1 / (1 + Math.exp(-v))),
  exp: (values) => values.map((v) => Math.exp(v)),
  within,
  checked: (values) => checked(values, false),
  whole: (values) => checked(values, true),
  pair: (values) => Float32Array.of(1 - values[0], values[0]),
};

/**
 * The raw output as one score for each class.
 * @param {Values} raw
 * @param {Output} output
 */
export function decode(raw, output) {
  let scores = real(raw, output);
  for (const step of output.steps) scores = STEPS[step](scores);
  if (scores.some((score) => !Number.isFinite(score))) {
    throw new Error("the model answered NaN or infinity, which is no score");
  }
  return scores;
}

/**
 * The `count` best classes, best first; equal scores in the order of the classes.
 * @param {Float32Array} scores
 * @param {number} count
 * @returns {{index: number, score: number}[]}
 */
export function best(scores, count) {
  const order = Array.from(scores, (score, index) => ({ index, score }));
  return order.sort((a, b) => b.score - a.score || a.index - b.index).slice(0, count);
}

/**
 * Does a GPU answer what WebAssembly answers? Outputs of both for the same inputs enter, an
 * agreement leaves, by the rule of engines/agreement.py.
 *
 * @typedef {import("./scores.js").Values} Values
 * @typedef {import("./types.js").Tensor} Tensor
 */
import { valuesOf } from "./scores.js";

const STEPS = 4;
const OF_THE_RANGE = 0.002;
const SCENES = 5;
const NOISES = 3;

export class Likeness {
  /** @type {import("./types.js").Agreement} */
  found = { frames: 0, agrees: true, largest_difference: 0, tolerance: 1, unit: "steps", labels_equal: 0 };
  #share = -1;

  /** @param {Tensor[]} outputs */
  constructor(outputs) {
    this.outputs = outputs;
  }

  /**
   * The outputs for one picture.
   * @param {Values[]} theirs  of the GPU
   * @param {Values[]} ours  of WebAssembly
   */
  see(theirs, ours) {
    this.found.frames++;
    this.found.labels_equal += best(theirs[0]) === best(ours[0]) ? 1 : 0;
    ours.forEach((values, at) => this.#compare(this.outputs[at], theirs[at], values));
  }

  /**
   * @param {Tensor} tensor
   * @param {Values} theirs
   * @param {Values} ours
   */
  #compare(tensor, theirs, ours) {
    let apart = 0;
    let largest = 0;
    for (let i = 0; i < ours.length; i++) {
      const difference = Math.abs(theirs[i] - ours[i]);
      apart = Math.max(apart, Number.isFinite(difference) ? difference : Infinity);
      largest = Math.max(largest, Math.abs(ours[i]));
    }
    const real = tensor.dtype === "float32";
    if (real) apart /= largest || 1;
    const tolerance = real ? OF_THE_RANGE : tensor.quantised ? STEPS : 0.5;
    if (apart / tolerance > this.#share) {
      this.#share = apart / tolerance;
      this.found.largest_difference = Math.min(apart, 1e15);
      this.found.tolerance = tolerance;
      this.found.unit = real ? "of the range" : "steps";
    }
    this.found.agrees &&= apart <= tolerance;
  }

  /**
   * @param {string} requested
   * @param {string} used
   */
  refusal(requested, used) {
    const { largest_difference: apart, tolerance, unit, labels_equal, frames } = this.found;
    return (
      `--delegate ${requested}: ${used} computes something else than WebAssembly: answers differ by ` +
      `up to ${apart.toPrecision(3)} ${unit} (allowed ${tolerance}); the best class is the same in ` +
      `${labels_equal} of ${frames} frames. Use --delegate cpu or another variant of the model, or ` +
      "--allow-disagreement to go on all the same"
    );
  }
}

/** @param {Values} values */
const best = (values) => values.indexOf(Math.max(...values));

/**
 * Inputs to compare on: soft shapes, as pictures have them, and noise.
 * @param {Tensor[]} inputs
 * @returns {Generator<Values[]>}
 */
export function* pictured(inputs) {
  for (let i = 0; i < SCENES + NOISES; i++) {
    yield inputs.map(({ dtype, shape }) => {
      const values = valuesOf(dtype, shape.reduce((size, side) => size * side, 1));
      const [width, channels] = [shape[shape.length - 2] || 1, shape[shape.length - 1]];
      return values.map((_, at) => Math.floor(i < SCENES ? wave(at, width, channels, i) : 256 * Math.random()));
    });
  }
}

/**
 * @param {number} at
 * @param {number} width
 * @param {number} channels
 * @param {number} seed
 */
function wave(at, width, channels, seed) {
  const pixel = Math.floor(at / channels);
  const [x, y] = [(pixel % width) / width, Math.floor(pixel / width) / width];
  const angle = 2.4 * seed + (at % channels);
  return 127.5 + 127 * Math.sin(9 * (x * Math.cos(angle) + y * Math.sin(angle)) + angle * seed);
}

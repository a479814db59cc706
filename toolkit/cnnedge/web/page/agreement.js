/**
 * Does the GPU answer what WebAssembly answers? Scores of both for the same frames enter; a verdict
 * leaves. The limits are those of cnnedge's own check of delegates (engines/agreement.py).
 *
 * @typedef {{frames: number, agrees: boolean, largest: number, labels: number}} Verdict
 */

/** How many frames are compared. */
export const FRAMES = 5;
// Quantised outputs, in steps: CPUs differ by up to 3 among themselves.
const STEPS = 4;
const OF_THE_RANGE = 0.02;

/** @param {Float32Array} scores */
const first = (scores) => scores.indexOf(Math.max(...scores));

/**
 * @param {{scores: Float32Array}[]} ours  by WebAssembly
 * @param {{scores: Float32Array}[]} theirs  by the GPU
 * @param {import("./types.js").Output} output
 * @returns {Verdict}
 */
export function compare(ours, theirs, output) {
  const most = output.scale === null ? OF_THE_RANGE : STEPS * output.scale;
  let largest = 0;
  let labels = 0;
  ours.forEach(({ scores }, frame) => {
    const other = theirs[frame].scores;
    scores.forEach((score, i) => {
      const apart = Math.abs(score - other[i]);
      largest = Math.max(largest, Number.isNaN(apart) ? Infinity : apart);
    });
    labels += first(scores) === first(other) ? 1 : 0;
  });
  const agrees = largest <= most && ours.length > 0;
  return { frames: ours.length, agrees, largest, labels };
}

/** @param {Verdict} verdict */
export function inWords({ frames, agrees, largest, labels }) {
  return (
    `${agrees ? "agrees with" : "differs from"} WebAssembly on ${frames} frames ` +
    `(scores by up to ${largest.toPrecision(2)}, labels equal on ${labels})`
  );
}

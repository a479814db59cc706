/**
 * Times of frames, by stage: samples enter, median, p90 and p99 leave.
 *
 * @typedef {{median: number, p90: number, p99: number}} Statistics
 * @typedef {"capture" | "preprocess" | "inference" | "postprocess"} Stage
 */

/** @type {Stage[]} */
export const STAGES = ["capture", "preprocess", "inference", "postprocess"];
const KEPT = 300;
// The first inferences of a model are slower than all others.
const WARM_UP = 3;

export class Figures {
  /** @type {Record<Stage, number[]>} */
  #samples = { capture: [], preprocess: [], inference: [], postprocess: [] };
  /** @type {number[]} */
  #ends = [];
  #left = WARM_UP;

  /** Begins anew, as after a change of model or engine. */
  reset() {
    for (const stage of STAGES) this.#samples[stage] = [];
    this.#ends = [];
    this.#left = WARM_UP;
  }

  /**
   * @param {Record<Stage, number>} times  in milliseconds
   * @param {number} now
   */
  add(times, now) {
    this.#ends = this.#ends.filter((end) => now - end < 1000);
    this.#ends.push(now);
    if (this.#left-- > 0) return;
    for (const stage of STAGES) {
      const samples = this.#samples[stage];
      samples.push(times[stage]);
      if (samples.length > KEPT) samples.shift();
    }
  }

  /** Frames of the last second. @param {number} now */
  rate(now) {
    return this.#ends.filter((end) => now - end < 1000).length;
  }

  get count() {
    return this.#samples.inference.length;
  }

  /**
   * @param {Stage} stage
   * @returns {Statistics | null}
   */
  of(stage) {
    const sorted = this.#samples[stage].slice().sort((a, b) => a - b);
    if (sorted.length === 0) return null;
    /** @param {number} share */
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return { median: at(0.5), p90: at(0.9), p99: at(0.99) };
  }
}

/** Three significant digits. @param {number} value */
export function milliseconds(value) {
  return `${value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)} ms`;
}

/**
 * Labels that stand still: scores of moving pictures, averaged over time, as `cnnedge run` does it.
 */

/** How far another class must lead the shown one, as a share of the span of all scores. */
const MARGIN = 0.1;

export class Smoothing {
  /** @type {Float32Array | null} */
  #scores = null;
  #time = 0;
  #shown = 0;

  /** @param {number} seconds  after so long a change has come through by 63 % */
  constructor(seconds) {
    this.seconds = seconds;
  }

  reset() {
    this.#scores = null;
  }

  /**
   * @param {Float32Array} scores
   * @param {number} time  of the frame, in seconds from anywhere
   * @returns {{scores: Float32Array, shown: number}}
   */
  next(scores, time) {
    const before = this.#scores;
    if (!before || before.length !== scores.length) {
      this.#scores = scores.slice();
      this.#shown = scores.indexOf(Math.max(...scores));
    } else {
      const share = -Math.expm1(-Math.max(0, time - this.#time) / this.seconds);
      for (let i = 0; i < before.length; i++) before[i] += share * (scores[i] - before[i]);
      const highest = Math.max(...before);
      const margin = MARGIN * (highest - Math.min(...before));
      if (highest - before[this.#shown] > margin) this.#shown = before.indexOf(highest);
    }
    this.#time = time;
    return { scores: /** @type {Float32Array} */ (this.#scores), shown: this.#shown };
  }
}

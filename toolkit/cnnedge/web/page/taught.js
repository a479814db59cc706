/**
 * What to say of training, and of what came of it.
 *
 * @typedef {import("./types.js").Teaching} Teaching
 * @typedef {import("./types.js").TeachingState} State
 */

/**
 * @param {State} state
 * @param {number | undefined} began
 */
export function progressInWords({ text, done, total }, began) {
  const seconds = began === undefined ? "" : ` · ${Math.round((performance.now() - began) / 1000)} s`;
  const share = total > 0 ? ` ${done} of ${total}` : "";
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${share}${seconds}`;
}

/** @param {string[]} names */
const listed = (names) =>
  names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");

/**
 * @param {Teaching | null} result
 * @param {{name: string, bursts: number}[]} classes
 */
export function resultInWords(result, classes) {
  if (!result) {
    const once = classes.filter(({ bursts }) => bursts < 2).map(({ name }) => name);
    return once.length
      ? `Ready to train. Shoot a second burst of ${listed(once)} from elsewhere, and it can be measured too.`
      : "Ready to train.";
  }
  const { accuracy, ci95, bursts, once } = result.measured;
  if (accuracy === null || ci95 === null) {
    return `Live. Nothing can be measured yet: shoot a second burst of ${listed(once)}, from elsewhere, and train again.`;
  }
  const [low, high] = ci95.map((share) => Math.round(100 * share));
  return `Live. ${Math.round(100 * accuracy)} % right on bursts it had not seen (${bursts} bursts: ${low} to ${high} %).`;
}

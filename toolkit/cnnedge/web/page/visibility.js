/** Whether the page is in front: a browser slows down what is not. */

/**
 * Until the page is in front; false where that takes longer than the patience.
 * @param {number} patience  in milliseconds
 * @returns {Promise<boolean>}
 */
export function untilVisible(patience) {
  if (!document.hidden) return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (/** @type {boolean} */ answer) => {
      document.removeEventListener("visibilitychange", changed);
      clearTimeout(late);
      resolve(answer);
    };
    const changed = () => !document.hidden && end(true);
    const late = setTimeout(() => end(false), patience);
    document.addEventListener("visibilitychange", changed);
  });
}

/** `gone` resolves when the page goes to the background, before `end` is called. */
export function watched() {
  let tell = () => {};
  /** @type {Promise<void>} */
  const gone = new Promise((resolve) => (tell = resolve));
  const changed = () => document.hidden && tell();
  document.addEventListener("visibilitychange", changed);
  return { gone, end: () => document.removeEventListener("visibilitychange", changed) };
}

/** Keeps the screen on where the browser can. */
export class Awake {
  /** @type {any} */
  #lock = null;

  get held() {
    return this.#lock !== null && !this.#lock.released;
  }

  async hold() {
    try {
      this.#lock = (await /** @type {any} */ (navigator).wakeLock?.request("screen")) ?? null;
    } catch {
      // Refused where the battery is low, or the page is in the background.
      this.#lock = null;
    }
  }

  release() {
    void this.#lock?.release();
    this.#lock = null;
  }
}

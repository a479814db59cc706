/**
 * Pictures on their way to the computer: a few at a time, again where the network failed, and none
 * forgotten while the page is open.
 *
 * @typedef {{name: string, burst: string, number: number, jpeg: Blob}} Shot
 */

const AT_ONCE = 3;
const AGAIN_MS = 1500;

/**
 * Asks the computer for something; throws Error with its own words.
 * @param {string} address
 * @param {BodyInit} body
 */
export async function ask(address, body) {
  const response = await fetch(address, { method: "POST", body });
  const said = await response.json().catch(() => ({}));
  if (response.ok) return said;
  const error = new Error(said.error ?? `the computer answers ${response.status}`);
  // What it refused it will refuse again.
  error.name = "Refused";
  throw error;
}

export class Sending {
  /** @type {Shot[]} */
  #queue = [];
  #under = 0;
  problem = "";

  /**
   * @param {string} base
   * @param {() => void} changed
   */
  constructor(base, changed) {
    this.base = base;
    this.changed = changed;
    window.addEventListener("beforeunload", (event) => {
      if (this.waiting) event.preventDefault();
    });
  }

  /** How many are not there yet. */
  get waiting() {
    return this.#queue.length + this.#under;
  }

  /** @param {Shot} shot */
  add(shot) {
    this.#queue.push(shot);
    this.#go();
  }

  #go() {
    while (this.#under < AT_ONCE && this.#queue.length) {
      const shot = /** @type {Shot} */ (this.#queue.shift());
      this.#under++;
      void this.#send(shot);
    }
    this.changed();
  }

  /** @param {Shot} shot */
  async #send(shot) {
    const { name, burst, number, jpeg } = shot;
    const query = new URLSearchParams({ class: name, burst, shot: String(number) });
    try {
      await ask(`${this.base}picture?${query}`, jpeg);
      this.problem = "";
    } catch (error) {
      const { name: kind, message } = /** @type {Error} */ (error);
      this.problem =
        kind === "Refused" ? message : "The computer cannot be reached; the pictures wait here.";
      if (kind !== "Refused") {
        this.#queue.unshift(shot);
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
    this.#under--;
    this.#go();
  }
}

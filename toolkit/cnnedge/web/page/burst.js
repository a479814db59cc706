/**
 * Hold to shoot: a press enters, by finger, mouse or key; shots of one burst leave until it ends.
 *
 * @typedef {import("./sending.js").Shot} Shot
 * @typedef {{camera: () => import("./camera.js").Camera, name: () => string,
 *   take: (shot: Shot) => void, waiting: () => number, changed: (count: number | null) => void}} Owner
 */

const EVERY_MS = 150;
// A burst says less with each further shot: the next one should be from elsewhere.
const MOST = 100;
// So many that wait for the network are enough.
const MOST_WAITING = 30;
// Of a screen reader's press, which has no end.
const BY_CLICK_MS = 1500;
const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";

/** A name that no other burst has, and that sorts by time. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  const random = Array.from(bytes, (byte) => LETTERS[byte % LETTERS.length]).join("");
  return Date.now().toString(36) + random;
}

export class Burst {
  #round = 0;

  /**
   * @param {HTMLButtonElement} button
   * @param {Owner} owner
   */
  constructor(button, owner) {
    this.owner = owner;
    let held = false;
    const end = () => {
      held = false;
      this.stop();
    };
    button.onpointerdown = (event) => {
      if (event.button !== 0 || button.disabled) return;
      button.setPointerCapture(event.pointerId);
      held = true;
      void this.start();
    };
    button.onpointerup = end;
    button.onpointercancel = end;
    button.onlostpointercapture = end;
    button.oncontextmenu = (event) => event.preventDefault();
    button.onkeydown = (event) => {
      if (!["Enter", " "].includes(event.key)) return;
      event.preventDefault();
      if (event.repeat || held) return;
      held = true;
      void this.start();
    };
    button.onkeyup = (event) => {
      if (!["Enter", " "].includes(event.key)) return;
      event.preventDefault();
      end();
    };
    button.onblur = end;
    button.onclick = (event) => {
      // A finger or key has shot already; this one came from elsewhere.
      if (event.detail !== 0) return;
      void this.start();
      setTimeout(() => this.stop(), BY_CLICK_MS);
    };
  }

  /** A picture by itself: a burst of one. */
  single() {
    return { burst: newId(), number: 0 };
  }

  async start() {
    const round = ++this.#round;
    const { camera, name, take, waiting, changed } = this.owner;
    const [burst, into] = [newId(), name()];
    changed(0);
    for (let number = 0; number < MOST && round === this.#round; number++) {
      const next = new Promise((resolve) => setTimeout(resolve, EVERY_MS));
      while (waiting() > MOST_WAITING && round === this.#round) {
        await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
      }
      const jpeg = await camera().jpeg();
      if (!jpeg) break;
      take({ name: into, burst, number, jpeg });
      if (round === this.#round) changed(number + 1);
      await next;
    }
    if (round === this.#round) this.stop();
  }

  stop() {
    this.#round++;
    this.owner.changed(null);
  }
}

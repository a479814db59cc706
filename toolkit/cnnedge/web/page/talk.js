/**
 * What the page tells the server that gave it: a name, then a report a second. Typed JSON over one
 * WebSocket; words that are not known are passed over, on both sides.
 */

const AGAIN_MS = 3000;
const MOST_TRIES = 5;

/** What this phone and browser call themselves. */
export async function ownName() {
  const agent = navigator.userAgent;
  const data = /** @type {any} */ (navigator).userAgentData;
  const told = await data?.getHighEntropyValues?.(["model"]).catch(() => null);
  const device =
    told?.model ||
    /iPhone|iPad/.exec(agent)?.[0] ||
    (navigator.maxTouchPoints > 1 && /Macintosh/.test(agent) ? "iPad" : "") ||
    /Android|Windows|Macintosh|CrOS|Linux/.exec(agent)?.[0] ||
    "a device";
  const browser =
    (/Edg/.test(agent) && "Edge") ||
    (/Firefox|FxiOS/.test(agent) && "Firefox") ||
    (/Chrome|CriOS/.test(agent) && "Chrome") ||
    (/Safari/.test(agent) && "Safari") ||
    "a browser";
  return `${device}, ${browser}`;
}

export class Talk {
  /** @type {WebSocket | null} */
  #socket = null;
  #tries = 0;
  /** Told whenever a connection stands. */
  opened = () => {};
  /** What is said once the server has ended. */
  farewell = "cnnedge has ended on the computer; this page goes on labelling";

  /**
   * @param {string} url
   * @param {(text: string) => void} say
   * @param {(said: any) => void} [heard]  what else the server says
   */
  constructor(url, say, heard = () => {}) {
    this.url = url;
    this.say = say;
    this.heard = heard;
  }

  async begin() {
    const name = await ownName();
    const socket = new WebSocket(this.url);
    socket.onopen = () => {
      this.#socket = socket;
      this.#tries = 0;
      this.send({ type: "hello", name });
      this.opened();
    };
    socket.onmessage = (event) => this.#heard(event.data);
    socket.onclose = () => {
      this.#socket = null;
      if (this.#tries++ < MOST_TRIES) setTimeout(() => void this.begin(), AGAIN_MS);
    };
  }

  /** @param {object} message */
  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** @param {unknown} text */
  #heard(text) {
    let said;
    try {
      said = JSON.parse(String(text));
    } catch {
      return;
    }
    if (said?.type === "bye") {
      this.#tries = MOST_TRIES;
      this.say(this.farewell);
    } else if (said) this.heard(said);
  }
}

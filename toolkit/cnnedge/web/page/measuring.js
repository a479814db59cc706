/**
 * The page of `--device browser`: takes errands from the computer, one at a time, and sends their
 * answers.
 *
 * @typedef {import("./types.js").Errand} Errand
 */
import { aboutHere, pixelsHere } from "./checking_errand.js";
import { Board } from "./board.js";
import { Refused, Workshop } from "./errand.js";
import { Hidden, measure } from "./measuring_errand.js";
import { predict } from "./predicting_errand.js";
import { Talk, ownName } from "./talk.js";
import { Awake } from "./visibility.js";
import { gpuWay, inWords, mostThreads, noThreads } from "./ways.js";

// The server takes ten messages a second.
const TELL_MS = 500;

class Page {
  #board = new Board();
  #awake = new Awake();
  // By it the server knows this page again after a connection broke.
  #visit = crypto.randomUUID?.() ?? String(Math.random());
  #last = "";
  #told = 0;

  /**
   * @param {import("./types.js").Site} site
   * @param {string} base
   */
  constructor(site, base) {
    this.base = base;
    this.shop = new Workshop(site, base);
    const talk = new Talk(
      `${base.replace(/^http/, "ws")}socket`,
      (text) => this.#ended(text),
      (said) => this.#heard(said),
    );
    talk.farewell = "The computer has what it asked for.";
    talk.opened = () => talk.send({ type: "visit", visit: this.#visit });
    this.talk = talk;
  }

  async begin() {
    this.#board.show("waiting", "Waiting for the computer");
    await this.talk.begin();
    const [about, gpu] = await Promise.all([this.shop.machine(), gpuWay("float32")]);
    this.#board.facts([
      ["Browser", String(about.browser ?? (await ownName()))],
      ["System", [about.os, about.hardware].filter(Boolean).join(", ")],
      ["Cores", about.cores ? String(about.cores) : undefined],
      ["Threads", noThreads() ? `one: ${noThreads()}` : `up to ${mostThreads()}`],
      ["WebGPU", gpu.way ? gpu.why || gpu.name.replace(/^WebGPU \((.*)\)$/, "$1") : `none: ${gpu.why}`],
    ]);
    document.addEventListener("visibilitychange", () => {
      // A browser takes the lock away from a page in the background.
      if (!document.hidden && this.#last) void this.#awake.hold();
    });
  }

  /** @param {string} text */
  #ended(text) {
    this.#awake.release();
    this.#last = "";
    this.#board.show("ended", text, "Done", "You can close this page.");
  }

  /** @param {any} said */
  #heard(said) {
    if (said.type === "errand" && said.key !== this.#last) {
      this.#last = said.key;
      void this.#run(said);
    } else if (said.type === "taken") {
      this.#board.show("ended", `${said.name} is measured already`, "Not this one");
    } else if (said.type === "stop") {
      // The Worker that hangs ends with the page that made it.
      location.reload();
    }
  }

  /** @param {Errand} errand */
  async #run(errand) {
    await this.#awake.hold();
    /** @type {any} */
    let answer;
    try {
      answer = await this.#done(errand);
      this.#board.aside("");
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const exit_code = error instanceof Refused ? error.exitCode : 1;
      this.#board.aside(text);
      answer = { error: `${errand.more.shown}: ${text}`, exit_code, hidden: error instanceof Hidden };
    }
    this.#board.show("waiting", "Waiting for the computer");
    const text = JSON.stringify(answer);
    await this.#post(`w/answer/${errand.key}`, new Blob([text], { type: "application/json" }));
  }

  /** @param {Errand} errand */
  async #done(errand) {
    const { key, more, request } = errand;
    if (errand.worker === "about") return aboutHere(this.shop);
    if (errand.worker === "pixels") return pixelsHere(errand);
    if (errand.worker === "predict") {
      this.#board.show("working", "Labelling with", more.name);
      return predict(errand, this.shop, {
        done: (count) => this.#progress(errand, count),
        send: (path, content) => this.#post(`w/made/${key}/${path}`, content),
      });
    }
    const { delegate, threads } = request.runtime;
    const way = delegate === "cpu" ? `WebAssembly, ${threads} thread${threads > 1 ? "s" : ""}` : "WebGPU";
    this.#board.show("working", "Measuring", more.name, way);
    const found = await measure(errand, this.shop, {
      awake: () => this.#awake.held,
      hidden: () => {
        this.talk.send({ type: "hidden", key });
        this.#board.aside("The page was in the background: that measurement does not count.");
      },
    });
    const shown = found.delegate.used.startsWith("gpu")
      ? "WebGPU"
      : inWords({ accelerator: "wasm", build: "relaxed", threads: found.threads });
    this.#board.add(more.name, shown, found.samples_ms);
    return found;
  }

  /**
   * @param {Errand} errand
   * @param {number} done
   */
  #progress({ key, more }, done) {
    const now = performance.now();
    if (now - this.#told < TELL_MS && done < more.pictures) return;
    this.#told = now;
    this.talk.send({ type: "line", key, done });
    this.#board.progress(done, more.pictures);
  }

  /**
   * @param {string} path
   * @param {Blob} content
   */
  async #post(path, content) {
    const response = await fetch(`${this.base}${path}`, { method: "POST", body: content });
    if (!response.ok) throw new Error(`the computer does not take ${path}: ${response.status}`);
  }
}

try {
  const base = new URL(".", location.href).href;
  const response = await fetch(`${base}site.json`);
  if (!response.ok) throw new Error(`site.json: ${response.status}`);
  await new Page(await response.json(), base).begin();
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  const place = document.getElementById("doing");
  if (place) place.textContent = `The page cannot start: ${text}`;
}

/**
 * The chosen model on the chosen engine: wishes enter; a running engine, and what to say of it,
 * leave.
 *
 * @typedef {import("./types.js").Site} Site
 * @typedef {import("./types.js").Model} Model
 * @typedef {import("./types.js").Way} Way
 * @typedef {import("./types.js").Answer} Answer
 * @typedef {import("./pixels/prepare.js").Frame} Frame
 * @typedef {"auto" | "wasm" | "webgpu"} Wish
 */
import { FRAMES, compare, inWords as verdictInWords } from "./agreement.js";
import { Engine, wasmOf } from "./engine.js";
import { stored } from "./stored.js";
import { gpuWay, inWords, noThreads, wasmWay } from "./ways.js";

export class Session {
  /** @type {Engine | null} */
  #engine = null;
  /** @type {Engine | null} */
  #other = null;
  /** @type {Model} */
  model;
  /** @type {Wish} */
  wish = "auto";
  /** How many threads were asked for; undefined: as many as are good. @type {number | undefined} */
  threads;
  /** Why it runs as it does. */
  note = "";
  /** What came of the comparison, in words. */
  agreement = "";
  /** Whether a GPU that answers otherwise may be used. */
  allow = false;
  /** Whether a GPU answered otherwise and was left. */
  refused = false;
  /** Whether loading is not to be shown: something is seen already. */
  quiet = false;
  /** Counts comparisons: what comes of an earlier one is passed over. */
  #round = 0;
  /** Whether threads failed here. */
  #single = false;

  /**
   * @param {Site} site
   * @param {string} models  the folder of the models
   * @param {(text: string, share: number) => void} progress
   */
  constructor(site, models, progress) {
    this.site = site;
    this.models = models;
    this.progress = (/** @type {string} */ text, /** @type {number} */ share) =>
      this.quiet ? undefined : progress(text, share);
    this.model = site.models[0];
  }

  /** Whether a model can label frames. */
  get ready() {
    return this.#engine !== null;
  }

  /** The engine in words. */
  get engine() {
    return this.#engine ? inWords(this.#engine.way) : "";
  }

  /** Whether it runs on the GPU. */
  get onGpu() {
    return this.#engine?.way.accelerator === "webgpu";
  }

  /**
   * Loads a model, on WebAssembly; a GPU is compared with it later. Throws Error.
   * @param {Model} model
   */
  async open(model) {
    const before = this.#engine;
    this.#round++;
    this.#other?.close();
    this.#other = null;
    this.agreement = "";
    this.refused = false;
    const data = await this.#data(model);
    let engine = before;
    if (!engine || this.onGpu || engine.way.threads !== this.#wasmWay().threads) {
      before?.close();
      this.#engine = null;
      engine = await this.#startWasm();
    }
    this.#engine = engine;
    this.progress(`Preparing ${model.name}`, 1);
    await engine.load(model, data);
    this.model = model;
  }

  /**
   * @param {Frame} frame
   * @returns {Promise<Answer>}
   */
  label(frame) {
    if (!this.#engine) throw new Error("no model is loaded");
    return this.#engine.label(frame);
  }

  /**
   * Compares the GPU with WebAssembly on frames, and takes it where it agrees and was wished for or
   * is faster. Says why not in `note`.
   * @param {() => Promise<Frame>} nextFrame
   */
  async tryGpu(nextFrame) {
    const round = ++this.#round;
    const { way, why, name } = await gpuWay(this.model.input.dtype);
    if (!way || (why !== "" && this.wish === "auto")) {
      this.note = this.#join(`no WebGPU: ${why}`);
      return;
    }
    try {
      const gpu = await this.#startGpu(way);
      const found = await this.#compared(gpu, nextFrame);
      if (round === this.#round) this.#judge(gpu, found, why, name);
    } catch (error) {
      if (round !== this.#round) return;
      this.#other?.close();
      this.#other = null;
      this.note = this.#join(`no WebGPU: ${/** @type {Error} */ (error).message}`);
    }
  }

  /**
   * @param {Engine} gpu
   * @param {{verdict: import("./agreement.js").Verdict, ours: number, theirs: number}} found
   * @param {string} why
   * @param {string} name
   */
  #judge(gpu, { verdict, ours, theirs }, why, name) {
    this.agreement = `${name} ${verdictInWords(verdict)}`;
    this.#other = null;
    this.refused = !verdict.agrees && !this.allow;
    const slower = this.wish === "auto" && theirs >= ours;
    if (this.refused || slower) {
      gpu.close();
      const times = `${theirs.toFixed(1)} ms against ${ours.toFixed(1)} ms`;
      this.note = this.#join(
        this.refused ? `${name} answers otherwise, and is not used` : `${name} is slower: ${times}`,
      );
      return;
    }
    this.#engine?.close();
    this.#engine = gpu;
    this.note = verdict.agrees ? why : `${name} answers otherwise, and is used all the same`;
  }

  /**
   * @param {Engine} gpu
   * @param {() => Promise<Frame>} nextFrame
   */
  async #compared(gpu, nextFrame) {
    /** @type {Answer[]} */
    const ours = [];
    /** @type {Answer[]} */
    const theirs = [];
    for (let i = 0; i < FRAMES; i++) {
      const frame = await nextFrame();
      theirs.push(await gpu.label({ ...frame, data: frame.data.slice() }));
      ours.push(await this.label(frame));
    }
    /** @param {Answer[]} answers */
    const median = (answers) =>
      answers.map((a) => a.times.inference).sort((a, b) => a - b)[FRAMES >> 1];
    const verdict = compare(ours, theirs, this.model.output);
    return { verdict, ours: median(ours), theirs: median(theirs) };
  }

  /** @param {Way} way */
  async #startGpu(way) {
    const model = this.model;
    this.#other?.close();
    this.#other = await Engine.start(way, await this.#wasm(way, () => undefined));
    const gpu = this.#other;
    const { whole } = await gpu.load(model, await this.#data(model));
    if (!whole && this.wish === "auto") throw new Error("it takes a part of this model alone");
    return gpu;
  }

  #wasmWay() {
    return wasmWay(this.#single ? 1 : this.threads);
  }

  async #startWasm() {
    const way = this.#wasmWay();
    const reason = noThreads();
    this.note = way.threads === 1 && this.threads !== 1 && reason ? `one thread: ${reason}` : "";
    const wasm = await this.#wasm(way, (share) => this.progress("Loading LiteRT.js", share));
    try {
      return await Engine.start(way, wasm);
    } catch (error) {
      if (way.threads === 1) throw error;
      // Safari may refuse the shared memory that threads need.
      this.#single = true;
      const one = this.#wasmWay();
      this.note = `one thread: threads failed (${/** @type {Error} */ (error).message})`;
      return Engine.start(one, await this.#wasm(one, () => undefined));
    }
  }

  /**
   * @param {Way} way
   * @param {(share: number) => void} progress
   */
  #wasm(way, progress) {
    const name = wasmOf(way);
    const path = new URL(`third_party/${name}`, import.meta.url).href;
    return stored(path, this.site.wasm[name], progress);
  }

  /** @param {Model} model */
  #data(model) {
    const say = (/** @type {number} */ share) => this.progress(`Loading ${model.name}`, share);
    return stored(`${this.models}${model.file}`, model, say);
  }

  /** @param {string} text */
  #join(text) {
    const first = this.note.split("; ").find((part) => part.startsWith("one thread"));
    return first ? `${first}; ${text}` : text;
  }
}

/**
 * A model on a thread of its own: frames enter, answers leave.
 *
 * @typedef {import("./types.js").Model} Model
 * @typedef {import("./types.js").Way} Way
 * @typedef {import("./types.js").Answer} Answer
 */

const WASM = {
  threaded: "litert_wasm_threaded_internal.wasm",
  relaxed: "litert_wasm_internal.wasm",
  compat: "litert_wasm_compat_internal.wasm",
  jspi: "litert_wasm_jspi_internal.wasm",
};
// Starting threads may hang, where one thread would work; a model takes seconds on old phones, and
// a GPU more for its first frame.
const PATIENCE_MS = { start: 20_000, load: 60_000, label: 60_000, raw: 60_000, time: 600_000 };

/** The wasm file of a way. @param {Way} way */
export const wasmOf = (way) => WASM[way.build];

/** What a frame is answered with whose engine was closed meanwhile. */
export class Closed extends Error {}

/** A worker that is asked and answers, in order. */
class Asked {
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
  #waiting = new Map();
  #worker;
  #count = 0;

  /** @param {string} script */
  constructor(script) {
    this.#worker = new Worker(new URL(script, import.meta.url));
    this.#worker.onmessage = ({ data }) => this.#answered(data);
    this.#worker.onerror = (event) => {
      event.preventDefault?.();
      this.#fail(new Error(event.message || "the worker could not be started"));
    };
  }

  /**
   * @param {object} content
   * @param {number} patience  in milliseconds
   * @param {ArrayBufferLike[]} [given]  memory that is given away
   * @returns {Promise<any>}
   */
  ask(content, patience, given = []) {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`no answer within ${patience / 1000} s`));
      }, patience);
      this.#waiting.set(id, {
        resolve: (value) => (clearTimeout(late), resolve(value)),
        reject: (error) => (clearTimeout(late), reject(error)),
      });
      this.#worker.postMessage({ id, ...content }, /** @type {Transferable[]} */ (given));
    });
  }

  /** @param {{id: number, value?: unknown, error?: string}} message */
  #answered({ id, value, error }) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  }

  /** @param {Error} reason */
  #fail(reason) {
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }

  close() {
    this.#fail(new Closed("the engine was closed"));
    this.#worker.terminate();
  }
}

export class Engine {
  #worker = new Asked("engine_worker.js");
  /** Started with the first frame. @type {Asked | null} */
  #preparer = null;
  /** @type {Model | null} */
  #model = null;

  /** @param {Way} way */
  constructor(way) {
    this.way = way;
  }

  /**
   * @param {Way} way
   * @param {Uint8Array} wasm
   * @returns {Promise<Engine>}
   */
  static async start(way, wasm) {
    const engine = new Engine(way);
    try {
      await engine.#ask("start", { way, wasm });
      return engine;
    } catch (error) {
      engine.close();
      throw error;
    }
  }

  /**
   * Takes a model in place of the one it has.
   * @param {Model | null} model  null: frames will not be labelled
   * @param {Uint8Array} data
   * @returns {Promise<{whole: boolean, ms: number, inputs: {dtype: string, shape: number[]}[]}>}
   */
  load(model, data) {
    this.#model = model;
    return this.#ask("load", { model, data });
  }

  /**
   * Labels one frame, and gives it back with the answer. A second one may be given meanwhile: it is
   * prepared while the model runs on the first.
   * @param {import("./pixels/prepare.js").Frame} frame
   * @returns {Promise<Answer>}
   */
  async label(frame) {
    this.#preparer ??= new Asked("prepare_worker.js");
    for (;;) {
      const model = this.#model;
      if (!model) throw new Error("no model is loaded");
      const { input, rule } = model;
      const given = [frame.data.buffer];
      const found = await this.#preparer.ask({ frame, input, rule }, PATIENCE_MS.label, given);
      frame = found.frame;
      // Another model may have been loaded meanwhile, which takes other values.
      if (model !== this.#model) continue;
      const answer = await this.#ask("label", { values: found.values }, [found.values.buffer]);
      return { ...answer, frame, times: { preprocess: found.ms, ...answer.times } };
    }
  }

  /**
   * Times inferences; nothing else may be asked meanwhile.
   * @param {import("./timing.js").Wanted} wanted
   * @returns {Promise<import("./timing.js").Samples>}
   */
  time(wanted) {
    return this.#ask("time", { wanted }, [], PATIENCE_MS.time + 1000 * wanted.seconds);
  }

  /**
   * The outputs for inputs as they are.
   * @param {import("./scores.js").Values[]} inputs
   * @returns {Promise<import("./scores.js").Values[]>}
   */
  raw(inputs) {
    return this.#ask("raw", { inputs });
  }

  close() {
    this.#worker.close();
    this.#preparer?.close();
  }

  /**
   * @param {keyof typeof PATIENCE_MS} kind
   * @param {object} content
   * @param {ArrayBufferLike[]} [given]
   * @param {number} [patience]  in milliseconds
   * @returns {Promise<any>}
   */
  #ask(kind, content, given = [], patience = PATIENCE_MS[kind]) {
    return this.#worker.ask({ kind, ...content }, patience, given);
  }
}

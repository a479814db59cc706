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

export class Engine {
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
  #waiting = new Map();
  #worker;
  #count = 0;

  /** @param {Way} way */
  constructor(way) {
    this.way = way;
    this.#worker = new Worker(new URL("engine_worker.js", import.meta.url));
    this.#worker.onmessage = ({ data }) => this.#answered(data);
    this.#worker.onerror = (event) => {
      event.preventDefault?.();
      this.#fail(new Error(event.message || "the worker could not be started"));
    };
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
    return this.#ask("load", { model, data });
  }

  /**
   * Labels one frame; its memory is given away.
   * @param {import("./pixels/prepare.js").Frame} frame
   * @returns {Promise<Answer>}
   */
  label(frame) {
    return this.#ask("label", { frame }, [frame.data.buffer]);
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
    this.#fail(new Closed("the engine was closed"));
    this.#worker.terminate();
  }

  /**
   * @param {keyof typeof PATIENCE_MS} kind
   * @param {object} content
   * @param {ArrayBufferLike[]} [given]
   * @param {number} [patience]  in milliseconds
   * @returns {Promise<any>}
   */
  #ask(kind, content, given = [], patience = PATIENCE_MS[kind]) {
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
      this.#worker.postMessage({ id, kind, ...content }, /** @type {Transferable[]} */ (given));
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
}

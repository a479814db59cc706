/**
 * Requests of the worker protocol (docs/protocol.md), done in this browser: a request enters, its
 * answer leaves. Each measurement has a new Worker, as it has a fresh process elsewhere.
 *
 * @typedef {import("./types.js").Errand} Errand
 * @typedef {import("./types.js").RuntimeWish} RuntimeWish
 * @typedef {import("./types.js").Way} Way
 * @typedef {import("./types.js").DelegateReport} DelegateReport
 * @typedef {import("./scores.js").Values} Values
 * @typedef {{way: Way, delegate: DelegateReport}} Chosen
 * @typedef {{name: "cpu" | "gpu", soft: boolean}} Wish  soft: whether a GPU may be the CPU
 */
import { moment, machine } from "./about.js";
import { Engine, wasmOf } from "./engine.js";
import { fetched, stored } from "./stored.js";
import { gpuWay, mostThreads, noThreads, wasmWay } from "./ways.js";

/** exitCode: 3 where a delegate is refused, as on every device. */
export class Refused extends Error {
  /**
   * @param {string} text
   * @param {number} [exitCode]
   */
  constructor(text, exitCode = 3) {
    super(text);
    this.exitCode = exitCode;
  }
}

export class Workshop {
  /** Models of this visit by their paths. @type {Map<string, Uint8Array>} */
  #models = new Map();

  /**
   * @param {import("./types.js").Site} site
   * @param {string} base  where the site is
   */
  constructor(site, base) {
    this.site = site;
    this.base = base;
  }

  /** @param {Errand} errand */
  async model({ request, more }) {
    let data = this.#models.get(request.model);
    if (!data) {
      data = await fetched(`${this.base}${request.model}`, more.size_bytes, () => undefined);
      // The last few: interleaved rounds come back to them.
      if (this.#models.size >= 8) this.#models.clear();
      this.#models.set(request.model, data);
    }
    return data;
  }

  /** A new Worker. @param {Way} way */
  async engine(way) {
    const name = wasmOf(way);
    const path = new URL(`third_party/${name}`, import.meta.url).href;
    return Engine.start(way, await stored(path, this.site.wasm[name]));
  }

  /** The machine's part of conditions. */
  machine() {
    return machine(this.site.version);
  }

  /** @param {boolean} awake */
  moment(awake) {
    return moment(awake);
  }

  /**
   * What every answer says of what computed.
   * @param {Chosen} chosen
   */
  ran({ way, delegate }) {
    return {
      engine: "litert.js",
      engine_version: this.site.litert,
      threads: way.threads,
      precision: "f32",
      delegate,
    };
  }
}

/**
 * Does something on the delegate that is wanted; `auto` takes the CPU where the GPU is refused, and
 * reports why.
 * @template {{delegate: DelegateReport}} T
 * @param {RuntimeWish} runtime
 * @param {(wish: Wish) => Promise<T>} attempt
 * @returns {Promise<T>}
 */
export async function onDelegate({ delegate }, attempt) {
  if (delegate !== "auto") return attempt({ name: delegate, soft: true });
  try {
    return await attempt({ name: "gpu", soft: false });
  } catch (error) {
    if (!(error instanceof Refused) || error.exitCode !== 3) throw error;
    const found = await attempt({ name: "cpu", soft: true });
    const reason = error.message;
    return {
      ...found,
      delegate: { ...found.delegate, passed_over: [{ delegate: "gpu", reason }] },
    };
  }
}

/**
 * The way of a wish, and what is to be said of it. Throws Refused.
 * @param {Wish} wish
 * @param {RuntimeWish} runtime
 * @param {string} dtype  of the model's input
 * @returns {Promise<Chosen>}
 */
export async function wayOf(wish, runtime, dtype) {
  const common = { requested: runtime.delegate, nodes_delegated: 0, nodes_total: 0 };
  if (wish.name === "cpu") {
    const { threads } = runtime;
    if (threads > mostThreads()) {
      const reason = noThreads() || `this browser gives ${mostThreads()}`;
      throw new Refused(`--threads ${threads}: ${reason}`, 1);
    }
    const way = wasmWay(threads);
    const notes = way.build === "compat" ? ["This browser lacks WebAssembly's relaxed SIMD."] : [];
    return { way, delegate: { ...common, used: "cpu (WebAssembly)", notes } };
  }
  const { way, why, name } = await gpuWay(dtype);
  if (!way) throw new Refused(`no WebGPU: ${why}`);
  // Of the GPUs that a CPU computes, `auto` takes none.
  if (why && !wish.soft) throw new Refused(`no WebGPU: ${why}`);
  const device = name.replace(/^WebGPU \((.*)\)$/, "$1");
  const notes = why ? ["It is no GPU: the CPU computes what WebGPU asks for."] : [];
  return { way, delegate: { ...common, used: "gpu (WebGPU)", device, software: why !== "", notes } };
}

/**
 * A GPU's error is a refusal; another one is the model's.
 * @param {Chosen} chosen
 * @param {unknown} error
 */
export function refusedBy({ way }, error) {
  if (error instanceof Refused || way.accelerator === "wasm" || !(error instanceof Error)) return error;
  return new Refused(`--delegate gpu: ${error.message}`);
}

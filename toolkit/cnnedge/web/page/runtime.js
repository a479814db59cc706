/**
 * LiteRT.js in a worker: frames enter as messages, answers leave.
 *
 * @typedef {import("./types.js").Model} Model
 * @typedef {import("./types.js").Way} Way
 * @typedef {import("@litertjs/core").CompiledModel} Compiled
 * @typedef {{id: number, kind: "start", way: Way, wasm: Uint8Array}} Start
 * @typedef {{id: number, kind: "load", model: Model, data: Uint8Array}} Load
 * @typedef {{id: number, kind: "label", frame: import("./pixels/prepare.js").Frame}} Label
 */
import { prepare } from "./pixels/prepare.js";
import { decode, encode } from "./scores.js";

const FILES = {
  threaded: "litert_wasm_threaded_internal",
  relaxed: "litert_wasm_internal",
  compat: "litert_wasm_compat_internal",
  jspi: "litert_wasm_jspi_internal",
};

/** @param {string} name */
const thirdParty = (name) => new URL(`third_party/${name}`, import.meta.url).href;

/** @type {import("@litertjs/core") | undefined} */
let litert;
/** @type {Way | undefined} */
let way;
/** @type {{model: Model, compiled: Compiled} | undefined} */
let loaded;

/**
 * Hides a property of the browser from LiteRT.js.
 * @param {string} name
 * @param {unknown} value
 */
function pretend(name, value) {
  Object.defineProperty(navigator, name, { configurable: true, get: () => value });
}

/** @param {Start} message */
async function begin(message) {
  way = message.way;
  const script = thirdParty(`${FILES[way.build]}.js`);
  // The pool of threads has this size, and a model takes all of it.
  if (way.build === "threaded") pretend("hardwareConcurrency", way.threads);
  // Otherwise it opens a GPU that nothing uses.
  if (way.accelerator === "wasm") pretend("gpu", undefined);
  /** @type {any} */ (self).Module = { wasmBinary: message.wasm, mainScriptUrlOrBlob: script };
  litert = /** @type {import("@litertjs/core")} */ (await import(thirdParty("litert.js")));
  await litert.loadLiteRt(script);
  if (way.accelerator === "webgpu" && !litert.getWebGpuDevice()) {
    throw new Error("the browser gives no WebGPU device");
  }
  return {};
}

/** @param {Load} message */
async function load({ model, data }) {
  if (!litert || !way) throw new Error("not started");
  loaded?.compiled.delete();
  loaded = undefined;
  const compiled = await litert.loadAndCompile(data, {
    accelerator: way.accelerator,
    // Half precision is faster, and answers something else.
    ...(way.accelerator === "webgpu"
      ? { gpuOptions: { precision: "fp32" } }
      : { cpuOptions: { numThreads: way.threads } }),
  });
  if (way.accelerator === "webgpu" && compiled.options.accelerator !== "webgpu") {
    compiled.delete();
    throw new Error("the GPU takes not all of this model's operators");
  }
  loaded = { model, compiled };
  return {
    whole: way.accelerator === "wasm" || compiled.isFullyAccelerated,
    inputs: compiled.getInputDetails().length,
  };
}

/** @param {Label} message */
async function label({ frame }) {
  if (!litert || !loaded) throw new Error("no model is loaded");
  const { model, compiled } = loaded;
  const began = performance.now();
  const values = encode(prepare(frame, model.input, model.rule), model.input);
  const prepared = performance.now();
  const tensor = new litert.Tensor(values, model.input.shape);
  let raw;
  try {
    const outputs = await compiled.run(tensor);
    // The clock stops when the numbers can be read here.
    raw = (await outputs[0].data()).slice();
    for (const output of outputs) output.delete();
  } finally {
    tensor.delete();
  }
  const inferred = performance.now();
  const scores = decode(raw, model.output);
  const times = {
    preprocess: prepared - began,
    inference: inferred - prepared,
    postprocess: performance.now() - inferred,
  };
  return { scores, raw, times };
}

/** @param {any} message */
async function answer(message) {
  try {
    const does = { start: begin, load, label }[/** @type {string} */ (message.kind)];
    if (!does) throw new Error(`unknown message ${message.kind}`);
    self.postMessage({ id: message.id, value: await does(message) });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    self.postMessage({ id: message.id, error: text });
  }
}

/** @param {unknown} first */
export function start(first) {
  let last = answer(first);
  // One after the other: LiteRT.js is not to be entered twice.
  self.onmessage = (message) => {
    last = last.then(() => answer(message.data));
  };
}

/**
 * LiteRT.js in a worker: values of a model's input enter as messages, answers leave.
 *
 * @typedef {import("./types.js").Model} Model
 * @typedef {import("./types.js").Way} Way
 * @typedef {import("@litertjs/core").CompiledModel} Compiled
 * @typedef {{id: number, kind: "start", way: Way, wasm: Uint8Array}} Start
 * @typedef {{id: number, kind: "load", model: Model | null, data: Uint8Array}} Load
 * @typedef {{id: number, kind: "label", values: Values}} Label
 * @typedef {{id: number, kind: "time", wanted: import("./timing.js").Wanted}} Time
 * @typedef {{id: number, kind: "raw", inputs: Values[]}} Raw
 * @typedef {import("./scores.js").Values} Values
 */
import { decode, valuesOf } from "./scores.js";
import { time } from "./timing.js";

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
/** @type {{model: Model | null, compiled: Compiled} | undefined} */
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
  const began = performance.now();
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
    ms: performance.now() - began,
    inputs: compiled.getInputDetails().map(({ dtype, shape }) => ({ dtype, shape: Array.from(shape) })),
  };
}

/**
 * Values for the model's inputs, one after the other, as tensors.
 * @param {Values[]} inputs
 */
function tensors(inputs) {
  if (!litert || !loaded) throw new Error("no model is loaded");
  const { Tensor } = litert;
  const details = loaded.compiled.getInputDetails();
  return inputs.map((values, at) => new Tensor(values, Array.from(details[at].shape)));
}

/**
 * Runs the model once, until its outputs can be read here.
 * @param {import("@litertjs/core").Tensor[]} inputs
 * @returns {Promise<Values[]>}
 */
async function infer(inputs) {
  if (!loaded) throw new Error("no model is loaded");
  const outputs = await loaded.compiled.run(inputs);
  const found = [];
  for (const output of outputs) {
    found.push(/** @type {Values} */ (await output.data()));
    output.delete();
  }
  return found;
}

/** Times it with pixels that mean nothing. @param {Time} message */
async function timed({ wanted }) {
  if (!loaded) throw new Error("no model is loaded");
  const details = loaded.compiled.getInputDetails();
  const inputs = tensors(details.map(({ dtype, shape }) => noise(dtype, shape)));
  try {
    return await time(async () => void (await infer(inputs)), wanted);
  } finally {
    for (const tensor of inputs) tensor.delete();
  }
}

/**
 * @param {string} dtype
 * @param {Int32Array} shape
 */
function noise(dtype, shape) {
  const values = valuesOf(dtype, shape.reduce((size, side) => size * side, 1));
  return values.map(() => Math.floor(256 * Math.random()));
}

/** The outputs for inputs that are given. @param {Raw} message */
async function raw({ inputs }) {
  const given = tensors(inputs);
  try {
    return (await infer(given)).map((values) => values.slice());
  } finally {
    for (const tensor of given) tensor.delete();
  }
}

/** @param {Label} message */
async function label({ values }) {
  if (!litert || !loaded?.model) throw new Error("no model is loaded");
  const { model, compiled } = loaded;
  const began = performance.now();
  const tensor = new litert.Tensor(values, model.input.shape);
  let found;
  try {
    const outputs = await compiled.run(tensor);
    // The clock stops when the numbers can be read here.
    found = (await outputs[0].data()).slice();
    for (const output of outputs) output.delete();
  } finally {
    tensor.delete();
  }
  const inferred = performance.now();
  const scores = decode(found, model.output);
  const times = { inference: inferred - began, postprocess: performance.now() - inferred };
  return { scores, raw: found, times };
}

/** @param {any} message */
async function answer(message) {
  try {
    const does = { start: begin, load, label, time: timed, raw }[/** @type {string} */ (message.kind)];
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

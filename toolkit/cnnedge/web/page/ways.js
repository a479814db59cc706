/**
 * What this browser can run models with, and why not with more.
 *
 * Nothing enters; the ways leave, best first, with what stands against the others in words.
 *
 * @typedef {import("./types.js").Way} Way
 * @typedef {{way: Way | null, why: string, name: string}} Gpu
 */

// More threads than this wait for each other on the slow cores of a phone.
const MOST_THREADS = 4;
const RELAXED_SIMD = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0],
  ...[10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11],
);

/** Whether the browser knows WebAssembly's relaxed SIMD, which the fast files are made of. */
const relaxed = () => WebAssembly.validate(RELAXED_SIMD);

/** Why there are no threads here; empty where there are. */
export function noThreads() {
  if (!relaxed()) return "this browser lacks WebAssembly's relaxed SIMD";
  if (!globalThis.isSecureContext) return "the page did not come over https";
  if (!globalThis.crossOriginIsolated) {
    return "the host does not send the headers that isolate the page";
  }
  if (typeof SharedArrayBuffer === "undefined") return "this browser shares no memory";
  return (navigator.hardwareConcurrency || 1) < 2 ? "there is one core" : "";
}

/** How many threads there may be. */
export function mostThreads() {
  return noThreads() ? 1 : Math.max(1, navigator.hardwareConcurrency || 1);
}

/**
 * WebAssembly with so many threads, or as many as are good.
 * @param {number} [threads]
 * @returns {Way}
 */
export function wasmWay(threads) {
  const count = Math.min(threads ?? MOST_THREADS, mostThreads());
  if (count > 1) return { accelerator: "wasm", build: "threaded", threads: count };
  return { accelerator: "wasm", build: relaxed() ? "relaxed" : "compat", threads: 1 };
}

/**
 * WebGPU for a model, where there is one.
 * @param {string} dtype  of the model's input
 * @returns {Promise<Gpu>}
 */
export async function gpuWay(dtype) {
  const gpu = /** @type {any} */ (navigator).gpu;
  if (!gpu) return { way: null, why: "this browser has none", name: "" };
  let adapter = null;
  try {
    adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  } catch {
    // As none.
  }
  if (!adapter) return { way: null, why: "the browser found no GPU that it may use", name: "" };
  const suspends = "Suspending" in WebAssembly;
  if (dtype !== "float32" && !suspends) {
    const why = "for quantised models it takes a browser with WebAssembly JSPI";
    return { way: null, why, name: "" };
  }
  const info = adapter.info ?? {};
  const name = [info.vendor, info.architecture || info.device].filter(Boolean).join(" ");
  const software = Boolean(adapter.isFallbackAdapter || info.isFallbackAdapter);
  const build = suspends ? "jspi" : relaxed() ? "relaxed" : "compat";
  const soft = software || /swiftshader|llvmpipe/i.test(name);
  return {
    way: { accelerator: "webgpu", build, threads: 1 },
    why: soft ? `${name || "the GPU"} is computed by the CPU` : "",
    name: name ? `WebGPU (${name})` : "WebGPU",
  };
}

/** @param {Way} way */
export function inWords(way) {
  if (way.accelerator === "webgpu") return "WebGPU";
  return `WebAssembly, ${way.threads} thread${way.threads > 1 ? "s" : ""}`;
}

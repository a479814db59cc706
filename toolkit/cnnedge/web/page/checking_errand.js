/**
 * What `cnnedge devices check` asks: what this browser can do, and whether it makes the same pixels.
 *
 * @typedef {import("./types.js").Errand} Errand
 */
import { tuple } from "./parcel.js";
import { readPicture } from "./pictures.js";
import { prepare } from "./pixels/prepare.js";
import { Awake } from "./visibility.js";
import { gpuWay, mostThreads, noThreads } from "./ways.js";

/** @param {import("./errand.js").Workshop} shop */
export async function aboutHere(shop) {
  const awake = new Awake();
  await awake.hold();
  const gpu = await gpuWay("float32");
  const answer = {
    machine: await shop.machine(),
    moment: await shop.moment(awake.held),
    threads: mostThreads(),
    no_threads: noThreads(),
    gpu: gpu.way ? gpu.name.replace(/^WebGPU \((.*)\)$/, "$1") : "",
    no_gpu: gpu.way ? "" : gpu.why,
    software: Boolean(gpu.way && gpu.why),
    quantised: "Suspending" in WebAssembly,
  };
  awake.release();
  return answer;
}

/** The digests of pixel_check.py. @param {Errand} errand */
export async function pixelsHere({ more }) {
  const check = /** @type {NonNullable<Errand["more"]["check"]>} */ (more.check);
  const bytes = Uint8Array.from(atob(check.picture), (c) => c.charCodeAt(0));
  const frame = await readPicture(new Blob([bytes]));
  const { height, width } = frame;
  const pixels = new Uint8Array(3 * height * width);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) pixels[3 * i + c] = frame.data[4 * i + 2 - c];
  }
  /** @type {Record<string, string>} */
  const rules = {};
  for (const rule of check.rules) {
    const inputs = check.sizes.flatMap(([rows, columns]) =>
      [1, 3].map((channels) => ({
        shape: [rows, columns, channels],
        data: prepare(frame, { height: rows, width: columns, channels }, rule),
      })),
    );
    rules[`${rule.resize} ${rule.interpolation}`] = await digest(inputs);
  }
  const decoded = await digest([{ shape: [height, width, 3], data: pixels }]);
  return { decoded, rules, implementation: "compiled" };
}

/** @param {{shape: number[], data: Uint8Array<ArrayBuffer>}[]} pictures */
async function digest(pictures) {
  const parts = pictures.flatMap(({ shape, data }) => [tuple(shape), data]);
  const all = await new Blob(parts).arrayBuffer();
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
  return Array.from(sum.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Predictions: a PredictRequest of docs/protocol.md enters, a PredictAnswer leaves, and the raw
 * outputs with digests of what was shown go to a file (device_scoring/predictions.py).
 *
 * @typedef {import("./types.js").Errand} Errand
 * @typedef {import("./errand.js").Wish} Wish
 * @typedef {import("./errand.js").Workshop} Workshop
 * @typedef {import("./scores.js").Values} Values
 * @typedef {Uint8Array<ArrayBuffer>} Bytes
 * @typedef {{shape: number[], data: Bytes}} Shown
 */
import { Refused, onDelegate, refusedBy, wayOf } from "./errand.js";
import { Likeness } from "./likeness.js";
import { levelsOf, npy, tuple, unpacked, zipped } from "./parcel.js";
import { readPicture } from "./pictures.js";
import { prepare } from "./pixels/prepare.js";
import { encode } from "./scores.js";
import { wasmWay } from "./ways.js";

// As many pictures are compared, as on every device.
const COMPARED = 5;

/**
 * @param {Errand} errand
 * @param {Workshop} shop
 * @param {{done: (count: number) => void, send: (path: string, content: Blob) => Promise<void>}} page
 */
export function predict(errand, shop, page) {
  return onDelegate(errand.request.runtime, (wish) => once(errand, shop, page, wish));
}

/**
 * @param {Errand} errand
 * @param {Workshop} shop
 * @param {{done: (count: number) => void, send: (path: string, content: Blob) => Promise<void>}} page
 * @param {Wish} wish
 */
async function once(errand, shop, page, wish) {
  const { request, more } = errand;
  const model = /** @type {import("./types.js").Model} */ (more.described);
  const chosen = await wayOf(wish, request.runtime, model.input.dtype);
  const data = await shop.model(errand);
  /** @type {import("./engine.js").Engine[]} */
  const engines = [];
  try {
    const ways = chosen.way.accelerator === "wasm" ? [chosen.way] : [chosen.way, wasmWay(1)];
    for (const way of ways) {
      const engine = await shop.engine(way);
      engines.push(engine);
      await engine.load(model, data);
    }
    const found = await answers(errand, shop, page, engines);
    const raw = npy([found.raw.length, found.raw[0].length], found.raw);
    const digests = { decoded: digested(found.decoded), prepared: digested(found.prepared) };
    const files = { "raw.npy": raw, "decoded.npy": digests.decoded, "prepared.npy": digests.prepared };
    await page.send(request.predictions, zipped(files));
    if (request.pixels) {
      const { height, width, channels } = model.input;
      const shape = [found.pixels.length, height, width, channels];
      await page.send(request.pixels, new Blob([npy(shape, found.pixels)]));
    }
    const delegate = { ...chosen.delegate, ...(found.agreement && { agreement: found.agreement }) };
    const conditions = { ...(await shop.machine()), ...(await shop.moment(false)) };
    return { ...shop.ran({ ...chosen, delegate }), conditions };
  } catch (error) {
    throw refusedBy(chosen, error);
  } finally {
    for (const engine of engines) engine.close();
  }
}

/**
 * @param {Errand} errand
 * @param {Workshop} shop
 * @param {{done: (count: number) => void}} page
 * @param {import("./engine.js").Engine[]} engines  the second: what the first is compared with
 */
async function answers({ request, more }, shop, page, [engine, reference]) {
  const model = /** @type {import("./types.js").Model} */ (more.described);
  const likeness = new Likeness(more.outputs);
  /** @type {Values[]} */
  const raw = [];
  /** @type {Bytes[]} */
  const pixels = [];
  const decoded = [];
  const prepared = [];
  const response = await fetch(`${shop.base}${request.pictures}`);
  if (!response.ok || !response.body) throw new Error(`the pictures: ${response.status}`);
  for await (const entry of unpacked(response.body)) {
    const { picture, input } = await shown(entry, model, Boolean(request.prepared), raw.length + 1);
    const values = encode(input.data, model.input);
    const outputs = await engine.raw([values]);
    if (reference && raw.length < COMPARED) {
      likeness.see(outputs, await reference.raw([values]));
      refuse(likeness, request);
    }
    raw.push(outputs[0]);
    decoded.push(await digest(picture));
    prepared.push(await digest(input));
    if (request.pixels) pixels.push(input.data);
    page.done(raw.length);
  }
  return { raw, pixels, decoded, prepared, agreement: reference && likeness.found };
}

/**
 * @param {Likeness} likeness
 * @param {Errand["request"]} request
 */
function refuse(likeness, { runtime }) {
  if (likeness.found.agrees || runtime.allow_disagreement) return;
  throw new Refused(likeness.refusal(runtime.delegate, "gpu (WebGPU)"));
}

/**
 * A picture as it was decoded, and as the model takes it.
 * @param {{name: string, content: Uint8Array<ArrayBuffer>}} entry
 * @param {import("./types.js").Model} model
 * @param {boolean} ready  whether it is the model's own pixels already
 * @param {number} number
 * @returns {Promise<{picture: Shown, input: Shown}>}
 */
async function shown({ name, content }, { input, rule }, ready, number) {
  const { height, width, channels } = input;
  const shape = [height, width, channels];
  if (name.endsWith(".npy")) {
    const levels = levelsOf(content);
    const picture = { shape: levels.shape, data: Uint8Array.from(levels.data) };
    if (ready) return { picture, input: { shape, data: picture.data } };
    return { picture, input: { shape, data: prepare(frameOf(picture), input, rule) } };
  }
  let frame;
  try {
    frame = await readPicture(new File([content], `picture ${number}`));
  } catch (error) {
    throw new Refused(error instanceof Error ? error.message : String(error), 1);
  }
  const picture = { shape: [frame.height, frame.width, 3], data: blueFirst(frame) };
  return { picture, input: { shape, data: prepare(frame, input, rule) } };
}

/**
 * Levels, grey or blue first, as a frame of a browser.
 * @param {Shown} picture
 */
function frameOf({ shape, data }) {
  const [height, width, channels = 1] = shape;
  const out = new Uint8ClampedArray(4 * height * width);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) out[4 * i + c] = channels === 1 ? data[i] : data[3 * i + 2 - c];
    out[4 * i + 3] = 255;
  }
  return { data: out, height, width };
}

/**
 * The pixels of a frame in the order in which cnnedge holds pictures.
 * @param {import("./pixels/prepare.js").Frame} frame
 */
function blueFirst({ data, height, width }) {
  const out = new Uint8Array(3 * height * width);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) out[3 * i + c] = data[4 * i + 2 - c];
  }
  return out;
}

/** The digest of device_scoring/predictions.py. @param {Shown} picture */
async function digest({ shape, data }) {
  const head = new TextEncoder().encode(tuple(shape));
  const all = new Uint8Array(head.length + data.length);
  all.set(head);
  all.set(data, head.length);
  return new DataView(await crypto.subtle.digest("SHA-256", all)).getBigUint64(0);
}

/** @param {bigint[]} digests */
const digested = (digests) => npy([digests.length], [BigUint64Array.from(digests)]);

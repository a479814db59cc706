/**
 * A measurement: a MeasureRequest of docs/protocol.md enters, a MeasureAnswer leaves. What was
 * measured while the page was in the background is thrown away, and measured again.
 *
 * @typedef {import("./types.js").Errand} Errand
 * @typedef {import("./errand.js").Wish} Wish
 * @typedef {import("./errand.js").Workshop} Workshop
 */
import { Likeness, pictured } from "./likeness.js";
import { Refused, onDelegate, refusedBy, wayOf } from "./errand.js";
import { untilVisible, watched } from "./visibility.js";
import { wasmWay } from "./ways.js";

const MOST_TRIES = 5;
const PATIENCE_MS = 60_000;

export class Hidden extends Error {}

/**
 * @param {Errand} errand
 * @param {Workshop} shop
 * @param {{awake: () => boolean, hidden: () => void}} page  awake: whether the screen is kept on;
 *   hidden: is told when a measurement is thrown away
 */
export function measure(errand, shop, page) {
  return onDelegate(errand.request.runtime, (wish) => visibly(errand, shop, page, wish));
}

/**
 * @param {Errand} errand
 * @param {Workshop} shop
 * @param {{awake: () => boolean, hidden: () => void}} page
 * @param {Wish} wish
 */
async function visibly(errand, shop, page, wish) {
  for (let i = 0; i < MOST_TRIES; i++) {
    if (!(await untilVisible(PATIENCE_MS))) break;
    const found = await once(errand, shop, page, wish);
    if (found) return found;
    page.hidden();
  }
  throw new Hidden("the page was in the background: keep it in front while it measures");
}

/**
 * One measurement with a new Worker; null where the page went to the background meanwhile.
 * @param {Errand} errand
 * @param {Workshop} shop
 * @param {{awake: () => boolean}} page
 * @param {Wish} wish
 */
async function once(errand, shop, page, wish) {
  const { request, more } = errand;
  const data = await shop.model(errand);
  const chosen = await wayOf(wish, request.runtime, more.inputs[0].dtype);
  const before = await shop.moment(page.awake());
  const watch = watched();
  let engine = null;
  try {
    engine = await shop.engine(chosen.way);
    const gone = watch.gone.then(() => null);
    const loaded = await Promise.race([engine.load(null, data), gone]);
    const samples = loaded && (await Promise.race([engine.time(request), gone]));
    if (!loaded || !samples) return null;
    const after = await shop.moment(page.awake());
    const agreement = request.compare ? await compared(errand, shop, engine, chosen) : undefined;
    const notes = [...chosen.delegate.notes, ...said(loaded, samples, request, page)];
    const delegate = { ...chosen.delegate, ...(agreement && { agreement }), notes };
    return {
      ...shop.ran({ ...chosen, delegate }),
      sha256: more.sha256,
      input_shape: loaded.inputs[0].shape,
      init_ms: loaded.ms,
      first_ms: samples.first_ms,
      warmup_count: samples.warmup_count,
      samples_ms: samples.samples_ms,
      conditions: { machine: await shop.machine(), before, after },
      ...(request.window_seconds && {
        windows: samples.windows,
        inferences: samples.inferences,
        samples_every: samples.every,
      }),
    };
  } catch (error) {
    throw refusedBy(chosen, error);
  } finally {
    watch.end();
    engine?.close();
  }
}

/**
 * What a person should know of this measurement.
 * @param {{whole: boolean}} loaded
 * @param {import("./timing.js").Samples} samples
 * @param {Errand["request"]} request
 * @param {{awake: () => boolean}} page
 */
function said({ whole }, { together, tick_ms }, request, page) {
  const notes = [];
  if (!whole) notes.push("The GPU runs a part of the model, and the CPU the rest.");
  if (together > 1) {
    const tick = `${Math.round(1000 * tick_ms)} µs`;
    notes.push(`The browser's clock counts in ${tick}: each sample is the mean of ${together} inferences.`);
  }
  if (request.window_seconds && !page.awake()) {
    notes.push("The browser did not keep the screen on.");
  }
  return notes;
}

/**
 * The GPU's outputs beside WebAssembly's. Throws Refused where they differ and may not.
 * @param {Errand} errand
 * @param {Workshop} shop
 * @param {import("./engine.js").Engine} engine
 * @param {import("./errand.js").Chosen} chosen
 */
async function compared(errand, shop, engine, chosen) {
  if (chosen.way.accelerator === "wasm") return undefined;
  const { request, more } = errand;
  const reference = await shop.engine(wasmWay(1));
  try {
    await reference.load(null, await shop.model(errand));
    const likeness = new Likeness(more.outputs);
    for (const inputs of pictured(more.inputs)) {
      likeness.see(await engine.raw(inputs), await reference.raw(inputs));
    }
    const found = likeness.found;
    if (!found.agrees && !request.runtime.allow_disagreement) {
      throw new Refused(likeness.refusal(request.runtime.delegate, chosen.delegate.used));
    }
    return found;
  } finally {
    reference.close();
  }
}

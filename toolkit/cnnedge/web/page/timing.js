/**
 * Times inferences, as benchmark/protocols.py does on other devices: a function that runs one
 * enters, raw samples leave; nothing is judged here.
 *
 * @typedef {{warmup_seconds: number, runs: number, seconds: number, window_seconds: number | null}} Wanted
 * @typedef {{t_s: number, median: number, p90: number, count: number}} Window
 * @typedef {object} Samples
 * @property {number} first_ms
 * @property {number} warmup_count
 * @property {number[]} samples_ms
 * @property {number} inferences
 * @property {number} every  how many inferences one of samples_ms stands for, of `windows`
 * @property {Window[]} windows
 * @property {number} together  how many inferences one sample is the mean of
 * @property {number} tick_ms  what the browser's clock counts in
 */

const MOST_SAMPLES = 100_000;
// A sample of fewer ticks of the clock is too coarse for a percentile.
const FEWEST_TICKS = 20;

/** The smallest step of the browser's clock, in milliseconds. */
function tick() {
  let smallest = Infinity;
  for (let i = 0; i < 5; i++) {
    const began = performance.now();
    let now = began;
    while (now === began) now = performance.now();
    smallest = Math.min(smallest, now - began);
  }
  return smallest;
}

/**
 * @param {number[]} values
 * @param {number} share
 */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/**
 * @param {() => Promise<void>} run  until the outputs can be read
 * @param {Wanted} wanted
 * @returns {Promise<Samples>}
 */
export async function time(run, wanted) {
  const tick_ms = tick();
  const began = performance.now();
  await run();
  const first_ms = performance.now() - began;
  let warmup_count = 0;
  const warm = performance.now();
  while (performance.now() - warm < 1000 * wanted.warmup_seconds) {
    await run();
    warmup_count++;
  }
  const each = warmup_count ? (performance.now() - warm) / warmup_count : first_ms;
  const together = Math.max(1, Math.ceil((FEWEST_TICKS * tick_ms) / Math.max(each, 1e-6)));
  const sample = async () => {
    const before = performance.now();
    for (let i = 0; i < together; i++) await run();
    return (performance.now() - before) / together;
  };
  const found = wanted.window_seconds
    ? await windowed(sample, wanted.seconds, wanted.window_seconds)
    : await plain(sample, wanted);
  return { first_ms, warmup_count, together, tick_ms, ...found };
}

/**
 * @param {() => Promise<number>} sample
 * @param {Wanted} wanted
 */
async function plain(sample, { runs, seconds }) {
  /** @type {number[]} */
  const samples_ms = [];
  const until = performance.now() + 1000 * seconds;
  while (
    samples_ms.length < runs ||
    (performance.now() < until && samples_ms.length < MOST_SAMPLES)
  ) {
    samples_ms.push(await sample());
  }
  return { samples_ms, inferences: samples_ms.length, every: 1, windows: [] };
}

/**
 * Without a pause, told in windows; of the samples some are kept, evenly spread.
 * @param {() => Promise<number>} sample
 * @param {number} seconds
 * @param {number} length
 */
async function windowed(sample, seconds, length) {
  /** @type {number[]} */
  let kept = [];
  let every = 1;
  let inferences = 0;
  /** @type {Window[]} */
  const windows = [];
  const started = performance.now();
  let now = started;
  while (now - started < 1000 * seconds) {
    const opened = now;
    /** @type {number[]} */
    const inside = [];
    while (now - opened < 1000 * length) {
      inside.push(await sample());
      if (inferences++ % every === 0) kept.push(inside[inside.length - 1]);
      now = performance.now();
    }
    while (kept.length > MOST_SAMPLES) {
      kept = kept.filter((_, i) => i % 2 === 0);
      every *= 2;
    }
    const t_s = ((opened + now) / 2 - started) / 1000;
    windows.push({ t_s, median: quantile(inside, 0.5), p90: quantile(inside, 0.9), count: inside.length });
  }
  return { samples_ms: kept, inferences, every, windows };
}

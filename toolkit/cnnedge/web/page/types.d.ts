/** What the server, or a folder of files, tells the page of its models (description.py). */
export interface Site {
  version: string;
  live: boolean;
  offline: boolean;
  wasm: Record<string, { sha256: string; size_bytes: number }>;
  models: Model[];
}

export interface Model {
  name: string;
  file: string;
  sha256: string;
  size_bytes: number;
  input: Input;
  rule: { resize: string; interpolation: string; pad_value: number; crop_fraction: number };
  output: Output;
  labels: string[];
  independent: boolean;
  assumptions: string[];
}

/** levels: what becomes of each level, for each channel in the model's order; null: nothing. */
export interface Input {
  height: number;
  width: number;
  channels: number;
  dtype: string;
  shape: number[];
  channels_first: boolean;
  bgr: boolean;
  levels: number[][] | null;
}

/** scale: null where the values stand for themselves. steps: docs in decoding.py. */
export interface Output {
  dtype: string;
  scale: number | null;
  zero_point: number;
  steps: string[];
}

/** A way to run a model. build: which wasm file; threads: of WebAssembly. */
export interface Way {
  accelerator: "wasm" | "webgpu";
  build: "threaded" | "relaxed" | "compat" | "jspi";
  threads: number;
}

/** Times of one frame, in milliseconds. */
export interface Times {
  preprocess: number;
  inference: number;
  postprocess: number;
}

/** raw: the output tensor as it came. */
export interface Answer {
  scores: Float32Array;
  raw: Float32Array | Int32Array | Uint8Array;
  times: Times;
}

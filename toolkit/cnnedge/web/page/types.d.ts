/** What the server, or a folder of files, tells the page of its models (description.py). */
export interface Site {
  version: string;
  live: boolean;
  offline: boolean;
  teaching?: boolean;
  litert: string;
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

/** raw: the output tensor as it came. frame: what was labelled, given back. */
export interface Answer {
  frame: import("./pixels/prepare.js").Frame;
  scores: Float32Array;
  raw: Float32Array | Int32Array | Uint8Array;
  times: Times;
}

/** The folder that is taught from (album.py), and how training goes (lessons.py). */
export interface Album {
  folder: string;
  recipe: string;
  classes: AlbumClass[];
  state: TeachingState;
  result: Teaching | null;
}

export interface AlbumClass {
  name: string;
  pictures: string[];
  bursts: number;
}

export interface TeachingState {
  phase: "starting" | "ready" | "working" | "taught" | "refused" | "failed";
  text: string;
  done: number;
  total: number;
}

/** What a round of training left (teaching/teacher.py). */
export interface Teaching {
  classes: string[];
  counts: number[];
  tied: number;
  measured: {
    accuracy: number | null;
    ci95: [number, number] | null;
    pictures: number;
    bursts: number;
    once: string[];
  };
  agreement: number;
  warnings: string[];
}

/** A request of the worker protocol (docs/protocol.md), and what a page needs beside it. */
export interface Errand {
  key: string;
  worker: "measure" | "predict" | "about" | "pixels";
  request: {
    model: string;
    runtime: RuntimeWish;
    compare: boolean;
    warmup_seconds: number;
    runs: number;
    seconds: number;
    window_seconds: number | null;
    pictures: string;
    predictions: string;
    pixels?: string;
    prepared?: boolean;
  };
  more: {
    name: string;
    shown: string;
    sha256: string;
    size_bytes: number;
    pictures: number;
    inputs: Tensor[];
    outputs: Tensor[];
    described?: Model;
    check?: { picture: string; sizes: [number, number][]; rules: Model["rule"][] };
  };
}

export interface RuntimeWish {
  delegate: "cpu" | "gpu" | "auto";
  threads: number;
  allow_disagreement: boolean;
}

export interface Tensor {
  dtype: string;
  shape: number[];
  quantised: boolean;
}

export interface Agreement {
  frames: number;
  agrees: boolean;
  largest_difference: number;
  tolerance: number;
  unit: string;
  labels_equal: number;
}

export interface DelegateReport {
  requested: string;
  used: string;
  nodes_delegated: number;
  nodes_total: number;
  software?: boolean;
  device?: string;
  passed_over?: { delegate: string; reason: string }[];
  agreement?: Agreement;
  notes: string[];
}

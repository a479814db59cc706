/**
 * Frames to the values of a model's input, in a worker; the frame's memory goes back with them.
 *
 * @typedef {import("./types.js").Model} Model
 * @typedef {import("./pixels/prepare.js").Frame} Frame
 * @typedef {{id: number, frame: Frame, input: Model["input"], rule: Model["rule"]}} Message
 */
import { prepare } from "./pixels/prepare.js";
import { encode } from "./scores.js";

/** @param {Message} message */
export function answer({ id, frame, input, rule }) {
  try {
    const began = performance.now();
    const values = encode(prepare(frame, input, rule), input);
    const value = { values, frame, ms: performance.now() - began };
    self.postMessage({ id, value }, { transfer: [values.buffer, frame.data.buffer] });
  } catch (error) {
    self.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
}

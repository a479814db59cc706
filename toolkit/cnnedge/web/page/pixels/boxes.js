/**
 * Which part of a frame goes where in a model's input, in integers.
 *
 * The sizes of both enter; a box leaves. Lengths are rounded to the nearest pixel, halves to the
 * even one.
 */
import { roundHalfEven } from "./weights.js";

/**
 * @typedef {{height: number, width: number}} Sides
 * @typedef {{top: number, left: number, height: number, width: number}} Box
 */

/**
 * @param {number} least
 * @param {number} value
 * @param {number} most
 */
const within = (least, value, most) => Math.max(least, Math.min(most, value));

/**
 * The largest centred part of a frame with the input's aspect ratio, or `fraction` of it.
 * @param {Sides} frame
 * @param {Sides} input
 * @param {number} fraction
 * @returns {Box}
 */
export function cropBox(frame, input, fraction) {
  const high = frame.height * input.width <= frame.width * input.height;
  const [part, whole] = high ? [frame.height, input.height] : [frame.width, input.width];
  let height = roundHalfEven(input.height * part, whole);
  let width = roundHalfEven(input.width * part, whole);
  if (fraction < 1) {
    height = Math.floor(height * fraction + 0.5);
    width = Math.floor(width * fraction + 0.5);
  }
  height = within(1, height, frame.height);
  width = within(1, width, frame.width);
  const top = Math.floor((frame.height - height) / 2);
  return { top, left: Math.floor((frame.width - width) / 2), height, width };
}

/**
 * Where in the input the whole frame goes.
 * @param {Sides} frame
 * @param {Sides} input
 * @returns {Box}
 */
export function letterboxBox(frame, input) {
  const high = input.height * frame.width <= input.width * frame.height;
  const [part, whole] = high ? [input.height, frame.height] : [input.width, frame.width];
  const height = within(1, roundHalfEven(frame.height * part, whole), input.height);
  const width = within(1, roundHalfEven(frame.width * part, whole), input.width);
  const top = Math.floor((input.height - height) / 2);
  return { top, left: Math.floor((input.width - width) / 2), height, width };
}

/**
 * The size to scale the whole frame to, and the box of the input in it: what torchvision's and
 * timm's Resize and CenterCrop do.
 * @param {Sides} frame
 * @param {Sides} input
 * @param {number} fraction
 * @returns {{whole: Sides, box: Box}}
 */
export function scaledThenCropped(frame, input, fraction) {
  // A hair, so that 224 / (224 / 232) is 232.
  const h = Math.floor(input.height / fraction + 1e-3);
  const w = Math.floor(input.width / fraction + 1e-3);
  const high = frame.height * w <= frame.width * h;
  const whole = {
    height: Math.max(input.height, high ? h : Math.floor((frame.height * w) / frame.width)),
    width: Math.max(input.width, high ? Math.floor((frame.width * h) / frame.height) : w),
  };
  const top = roundHalfEven(whole.height - input.height, 2);
  const left = roundHalfEven(whole.width - input.width, 2);
  return { whole, box: { top, left, height: input.height, width: input.width } };
}

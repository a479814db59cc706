/**
 * Frame to input pixels, the same to the bit as cnnedge computes them everywhere else.
 *
 * A frame as a browser gives it (RGBA, not scaled) enters; the raw pixels that a model takes leave
 * (RGB or grey, 0..255, height x width x channels). The browser's own scaling is used nowhere: it
 * differs between browsers, and from what a model was trained on.
 */
import { cropBox, letterboxBox, scaledThenCropped } from "./boxes.js";
import { PREFIX, scaled } from "./pillow.js";
import { axisWeights } from "./weights.js";

/**
 * @typedef {{data: Uint8Array | Uint8ClampedArray, height: number, width: number}} Frame
 * @typedef {{height: number, width: number, channels: number}} Size
 * @typedef {{resize: string, interpolation: string, pad_value: number, crop_fraction: number}} Rule
 * @typedef {import("./boxes.js").Box} Box
 */

const WHOLE = { top: 0, left: 0 };

/**
 * One frame as model input: Uint8Array of height x width x channels.
 * @param {Frame} frame
 * @param {Size} size
 * @param {Rule} rule
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function prepare(frame, size, rule) {
  const out = new Uint8Array(size.height * size.width * size.channels);
  const inside = { ...WHOLE, height: size.height, width: size.width };
  const all = { ...WHOLE, height: frame.height, width: frame.width };
  const fits = frame.height === size.height && frame.width === size.width;
  if (rule.resize === "center_crop" && rule.interpolation.startsWith(PREFIX)) {
    const { whole, box } = scaledThenCropped(frame, size, rule.crop_fraction);
    recolour(scaled(opaque(frame, all), whole, rule.interpolation), box, out, size, inside);
  } else if (rule.resize === "center_crop" && (rule.crop_fraction < 1 || !fits)) {
    scale(frame, cropBox(frame, size, rule.crop_fraction), out, size, inside, rule);
  } else if (rule.resize === "letterbox" && !fits) {
    out.fill(rule.pad_value);
    scale(frame, all, out, size, letterboxBox(frame, size), rule);
  } else {
    scale(frame, all, out, size, inside, rule);
  }
  return out;
}

/**
 * Scales a part of the frame into a part of the result, then brings it to the model's colours.
 * One order, always: scaling and colour each round, so swapping them moves pixels.
 * @param {Frame} frame
 * @param {Box} from
 * @param {Uint8Array} out
 * @param {Size} size
 * @param {Box} to
 * @param {Rule} rule
 */
function scale(frame, from, out, size, to, rule) {
  /** @type {import("./pillow.js").Picture} */
  let picture;
  if (from.height === to.height && from.width === to.width) {
    picture = opaque(frame, from);
  } else if (rule.interpolation.startsWith(PREFIX)) {
    picture = scaled(opaque(frame, from), to, rule.interpolation);
  } else {
    picture = resampled(frame, from, to, rule.interpolation);
  }
  recolour(picture, { ...WHOLE, height: to.height, width: to.width }, out, size, to);
}

/**
 * A part of a frame without its alpha.
 * @param {Frame} frame
 * @param {Box} part
 * @returns {import("./pillow.js").Picture}
 */
function opaque(frame, part) {
  const data = new Uint8Array(part.height * part.width * 3);
  let to = 0;
  for (let y = 0; y < part.height; y++) {
    let from = ((part.top + y) * frame.width + part.left) * 4;
    for (let x = 0; x < part.width; x++, from += 4, to += 3) {
      data[to] = frame.data[from];
      data[to + 1] = frame.data[from + 1];
      data[to + 2] = frame.data[from + 2];
    }
  }
  return { data, height: part.height, width: part.width };
}

/**
 * `area`, `bilinear` and `nearest`: one sum over both axes, rounded once.
 * @param {Frame} frame
 * @param {Box} from
 * @param {{height: number, width: number}} to
 * @param {string} interpolation
 * @returns {import("./pillow.js").Picture}
 */
function resampled(frame, from, to, interpolation) {
  const rows = axisWeights(interpolation, from.height, to.height);
  const columns = axisWeights(interpolation, from.width, to.width);
  const { first, taps, weights } = columns;
  const data = new Uint8Array(to.height * to.width * 3);
  const sums = new Sums(frame, from, taps);
  const { redBlue, green } = sums;
  for (let y = 0, at = 0; y < to.height; y++) {
    sums.addRows(rows, y);
    for (let x = 0; x < to.width; x++, at += 3) {
      let r = 32768;
      let g = 32768;
      let b = 32768;
      const place = first[x];
      for (let t = 0; t < taps; t++) {
        const source = place + t;
        const weight = weights[x * taps + t];
        const both = redBlue[source];
        r += Math.imul(weight, both & 0xffff);
        g += Math.imul(weight, green[source] & 0xffff);
        b += Math.imul(weight, both >>> 16);
      }
      data[at] = r >> 16;
      data[at + 1] = g >> 16;
      data[at + 2] = b >> 16;
    }
  }
  return { data, height: to.height, width: to.width };
}

/**
 * The rows of a frame that make one row of the result, weighed and added up.
 *
 * Two colours share a number of 32 bits, for half the work: weights add up to 256, so a sum of
 * bytes stays below 2^16 and never reaches its neighbour. RGBA read as one number has red in its
 * lowest byte, as every processor with a browser stores it.
 */
class Sums {
  /**
   * @param {Frame} frame
   * @param {Box} from
   * @param {number} beyond  how many zeros follow the sums
   */
  constructor({ data, width }, from, beyond) {
    const whole = data.byteOffset % 4 === 0 ? data : data.slice();
    this.pixels = new Int32Array(whole.buffer, whole.byteOffset, whole.length >> 2);
    this.width = width;
    this.from = from;
    /** Red, and blue in the upper half. */
    this.redBlue = new Int32Array(from.width + beyond);
    /** Green, and the alpha that nobody needs in the upper half. */
    this.green = new Int32Array(from.width + beyond);
  }

  /**
   * @param {import("./weights.js").Weights} rows
   * @param {number} y  the row of the result
   */
  addRows(rows, y) {
    const { from, width } = this;
    const end = Math.min(rows.taps, from.height - rows.first[y]);
    const place = (from.top + rows.first[y]) * width + from.left;
    const weights = rows.weights.subarray(y * rows.taps, y * rows.taps + end);
    // Two at a time: half as many sums to fetch and to store.
    for (let t = 0; t < end; t += 2) {
      const second = t + 1 < end ? t + 1 : t;
      this.#add(place + t * width, weights[t], place + second * width, second > t ? weights[second] : 0, t > 0);
    }
  }

  /**
   * @param {number} one  where the first row begins
   * @param {number} weight
   * @param {number} other  where the second row begins
   * @param {number} otherWeight
   * @param {boolean} more  whether there are sums already
   */
  #add(one, weight, other, otherWeight, more) {
    const { pixels, redBlue, green } = this;
    const count = this.from.width;
    if (more && weight === 0 && otherWeight === 0) return;
    const keep = more ? -1 : 0;
    for (let x = 0; x < count; x++) {
      const a = pixels[one + x];
      const b = pixels[other + x];
      const both = Math.imul(a & 0xff00ff, weight) + Math.imul(b & 0xff00ff, otherWeight);
      const rest =
        Math.imul((a >>> 8) & 0xff00ff, weight) + Math.imul((b >>> 8) & 0xff00ff, otherWeight);
      redBlue[x] = ((redBlue[x] & keep) + (both | 0)) | 0;
      green[x] = ((green[x] & keep) + (rest | 0)) | 0;
    }
  }
}

/**
 * A part of a picture in the colours of the model, at its place in the result.
 * @param {import("./pillow.js").Picture} picture
 * @param {Box} from
 * @param {Uint8Array} out
 * @param {Size} size
 * @param {Box} to
 */
function recolour(picture, from, out, size, to) {
  const { data } = picture;
  for (let y = 0; y < from.height; y++) {
    let at = ((from.top + y) * picture.width + from.left) * 3;
    let into = ((to.top + y) * size.width + to.left) * size.channels;
    if (size.channels === 3) {
      out.set(data.subarray(at, at + from.width * 3), into);
      continue;
    }
    for (let x = 0; x < from.width; x++, at += 3, into++) {
      out[into] = (9798 * data[at] + 19235 * data[at + 1] + 3735 * data[at + 2] + 16384) >> 15;
    }
  }
}

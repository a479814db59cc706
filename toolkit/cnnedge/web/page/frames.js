/**
 * What one stream in a video shows, as pixels: the newest frame leaves, at its own size, upright.
 *
 * A browser that copies a frame into memory as RGBA does so four times faster than through a
 * canvas, and into memory that was used before. Others go through a canvas, and so does a browser
 * whose copy is not what its canvas shows (a frame that is still to be turned, say).
 *
 * @typedef {import("./pixels/prepare.js").Frame} Frame
 */

// The two may round colours otherwise.
const MOST_LEVELS = 3;
const COMPARED = 4096;
const SPARES = 3;

export class Frames {
  #canvas = document.createElement("canvas");
  #context = this.#canvas.getContext("2d", { willReadFrequently: true });
  /** Memory of frames that nobody needs any more. @type {ArrayBuffer[]} */
  #spares = [];
  /** Whether a copy shows what the canvas does, once they were compared. @type {boolean | null} */
  #copies = "VideoFrame" in globalThis ? null : false;

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.video = video;
  }

  /**
   * The newest frame; null before the first.
   * @returns {Promise<Frame | null>}
   */
  async read() {
    if (!this.#ready) return null;
    if (this.#copies !== false) {
      try {
        const copied = await this.#copied();
        if (copied) return copied;
      } catch {
        // Safari before it knew these formats, a frame that is gone already.
      }
      this.#copies = false;
    }
    return this.draw();
  }

  /** The same through a canvas, at once. @returns {Frame | null} */
  draw() {
    return this.#ready ? this.#drawn(this.video) : null;
  }

  /** Whether there is a frame. */
  get #ready() {
    return this.video.videoWidth > 0 && this.video.videoHeight > 0 && this.video.readyState >= 2;
  }

  /** The canvas that `draw` drew on. */
  get canvas() {
    return this.#canvas;
  }

  /** Takes back the memory of a frame. @param {Frame} frame */
  takeBack({ data }) {
    const memory = /** @type {ArrayBuffer} */ (data.buffer);
    if (this.#spares.length < SPARES) this.#spares.push(memory);
  }

  /** @returns {Promise<Frame | null>}  null: not as the canvas shows it */
  async #copied() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const size = width * height * 4;
    const frame = new VideoFrame(this.video);
    try {
      const format = /** @type {VideoFrameCopyToOptions} */ ({ format: "RGBA" });
      // A browser that does not know formats would copy another one.
      if (frame.allocationSize(format) !== size) return null;
      const data = new Uint8ClampedArray(this.#spare(size));
      await frame.copyTo(data, format);
      if (this.#copies === null) {
        const { data: drawn } = this.#drawn(frame);
        if (!alike(data, drawn)) return null;
        this.#copies = true;
      }
      return { data, height, width };
    } finally {
      frame.close();
    }
  }

  /** @param {number} size */
  #spare(size) {
    for (;;) {
      const spare = this.#spares.pop();
      if (!spare) return new ArrayBuffer(size);
      if (spare.byteLength === size) return spare;
    }
  }

  /**
   * @param {CanvasImageSource} source  the video, or a frame of it
   * @returns {Frame}
   */
  #drawn(source) {
    const { videoWidth: width, videoHeight: height } = this.video;
    const context = /** @type {CanvasRenderingContext2D} */ (this.#context);
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    context.drawImage(source, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return { data, height, width };
  }
}

/**
 * Whether two frames show the same, by pixels from all over them.
 * @param {Frame["data"]} a
 * @param {Frame["data"]} b
 */
function alike(a, b) {
  const step = Math.max(1, Math.floor(a.length / 4 / COMPARED)) * 4;
  let sum = 0;
  let count = 0;
  for (let at = 0; at < a.length; at += step) {
    for (let c = 0; c < 3; c++) sum += Math.abs(a[at + c] - b[at + c]);
    count += 3;
  }
  return sum <= MOST_LEVELS * count;
}

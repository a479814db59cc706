/**
 * The phone's camera: a side enters, frames as they are leave.
 *
 * Nothing is scaled, mirrored or turned here: browsers deliver frames upright already, and a front
 * camera is mirrored for the eye alone (stage.js).
 *
 * @typedef {"environment" | "user"} Side
 * @typedef {import("./pixels/prepare.js").Frame} Frame
 */
import { Frames } from "./frames.js";

/** Why there is no camera, as a word that notices.js explains. */
export class CameraProblem extends Error {
  /**
   * @param {"insecure" | "refused" | "none" | "busy" | "gone"} kind
   * @param {string} [detail]
   */
  constructor(kind, detail = "") {
    super(detail || kind);
    this.kind = kind;
  }
}

/** @type {Record<string, "refused" | "none" | "busy">} */
const KINDS = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
};

export class Camera {
  /** @type {MediaStream | null} */
  #stream = null;
  /** Of this stream: those of another may be turned otherwise. */
  #frames;

  /**
   * @param {HTMLVideoElement} video
   * @param {() => void} lost  called when the camera goes away
   */
  constructor(video, lost) {
    this.video = video;
    this.lost = lost;
    this.#frames = new Frames(video);
  }

  #tells = "requestVideoFrameCallback" in HTMLVideoElement.prototype;
  #fresh = false;
  #watching = false;
  #arrived = () => {};

  /** Whether it looks at who holds the phone. */
  front = false;

  /** Of the frames, in pixels; 0 before the first. */
  get sides() {
    return { height: this.video.videoHeight, width: this.video.videoWidth };
  }

  get on() {
    return this.#stream !== null;
  }

  /**
   * Opens the camera of a side. Throws CameraProblem.
   * @param {Side} side
   * @param {number} least  what the longer side should have at least, in pixels
   */
  async open(side, least) {
    this.close();
    if (!navigator.mediaDevices?.getUserMedia) throw new CameraProblem("insecure");
    const [width, height] = least > 640 ? [1280, 720] : [640, 480];
    const video = { facingMode: side, width: { ideal: width }, height: { ideal: height } };
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      throw new CameraProblem(KINDS[name] ?? "busy", message);
    }
    const opened = this.#stream;
    const [track] = opened.getVideoTracks();
    const facing = track.getSettings?.().facingMode;
    // A laptop does not tell, and its camera looks at you.
    this.front = facing ? facing === "user" : !/back|rear|environment/i.test(track.label);
    track.onended = () => {
      if (this.#stream === opened) {
        this.close();
        this.lost();
      }
    };
    this.#frames = new Frames(this.video);
    this.video.srcObject = opened;
    await this.video.play().catch(() => undefined);
    this.#watch();
  }

  close() {
    const stream = this.#stream;
    this.#stream = null;
    for (const track of stream?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
  }

  /** The newest frame as a JPEG file, at the camera's own size; null before the first. */
  async jpeg() {
    const frame = this.#frames.draw();
    const { canvas } = this.#frames;
    return frame && new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  }

  /** How many cameras there are; 0 where the browser does not tell. */
  async count() {
    const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    return all.filter((each) => each.kind === "videoinput").length;
  }

  /**
   * Waits for a frame that was not seen yet.
   * @returns {Promise<void>}
   */
  nextFrame() {
    if (this.#fresh) {
      this.#fresh = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const seen = () => {
        clearTimeout(late);
        this.#fresh = false;
        resolve();
      };
      // Where a camera stands still, the loop must look up all the same.
      const late = setTimeout(seen, 500);
      if (this.#tells) this.#arrived = seen;
      else requestAnimationFrame(seen);
    });
  }

  /** Notes each frame that comes, also while nobody waits for one. */
  #watch() {
    if (!this.#tells || this.#watching) return;
    this.#watching = true;
    const came = () => {
      this.#fresh = true;
      this.#arrived();
      if (this.on) this.video.requestVideoFrameCallback(came);
      else this.#watching = false;
    };
    this.video.requestVideoFrameCallback(came);
  }

  /**
   * The newest frame, at the camera's own size; null before the first.
   * @returns {Promise<Frame | null>}
   */
  read() {
    return this.#frames.read();
  }

  /** Takes back a frame that nobody needs any more: its memory holds another one. @param {Frame} frame */
  takeBack(frame) {
    this.#frames.takeBack(frame);
  }
}

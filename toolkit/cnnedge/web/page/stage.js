/**
 * What is seen: the camera, a frozen frame or a picture, and the part of it that the model sees.
 *
 * Mirroring is for the eye alone, as in a mirror; the model gets every frame as the camera gave it.
 */
import { element } from "./elements.js";
import { cropBox, scaledThenCropped } from "./pixels/boxes.js";

/** @typedef {import("./pixels/prepare.js").Frame} Frame */

export class Stage {
  video = element("video", HTMLVideoElement);
  #frame = element("frame", HTMLDivElement);
  #still = element("still", HTMLCanvasElement);
  #shown = element("shown", HTMLImageElement);
  #seen = element("seen", HTMLDivElement);
  #notice = element("notice", HTMLDivElement);
  #loading = element("loading", HTMLDivElement);
  #sides = { height: 0, width: 0 };

  /**
   * @param {"camera" | "still" | "picture"} what
   * @param {boolean} mirrored
   */
  show(what, mirrored) {
    this.video.hidden = what !== "camera";
    this.#still.hidden = what !== "still";
    this.#shown.hidden = what !== "picture";
    this.#frame.classList.toggle("mirrored", mirrored && what !== "picture");
    if (what === "picture") this.notice(null);
  }

  /**
   * Follows the shape of what is shown, and outlines what the model sees of it.
   * @param {{height: number, width: number}} sides
   * @param {import("./types.js").Model} model
   */
  fit(sides, model) {
    const same = sides.height === this.#sides.height && sides.width === this.#sides.width;
    if (same && this.#seen.dataset.model === model.sha256) return;
    this.#sides = { height: sides.height, width: sides.width };
    this.#seen.dataset.model = model.sha256;
    this.#frame.style.setProperty("--ratio", String(sides.width / sides.height));
    const box = visiblePart(sides, model);
    this.#seen.hidden = box === null;
    if (!box) return;
    for (const [name, part, whole] of /** @type {const} */ ([
      ["left", box.left, sides.width],
      ["top", box.top, sides.height],
      ["width", box.width, sides.width],
      ["height", box.height, sides.height],
    ])) {
      this.#seen.style[name] = `${(100 * part) / whole}%`;
    }
  }

  /** Follows the shape of what is shown. @param {{height: number, width: number}} sides */
  shape({ height, width }) {
    if (height && width) this.#frame.style.setProperty("--ratio", String(width / height));
  }

  /** Draws the very frame that was labelled. @param {Frame} frame */
  freeze(frame) {
    this.#still.width = frame.width;
    this.#still.height = frame.height;
    const data = new Uint8ClampedArray(frame.data);
    this.#still.getContext("2d")?.putImageData(new ImageData(data, frame.width), 0, 0);
  }

  /**
   * @param {string} url
   * @param {string} name
   */
  picture(url, name) {
    this.#shown.src = url;
    this.#shown.alt = name;
  }

  /** @param {import("./notices.js").Notice | null} notice */
  notice(notice) {
    this.#notice.hidden = notice === null;
    if (!notice) return;
    // Elsewhere it is the same as choosing a file.
    const phone = matchMedia("(pointer: coarse)").matches;
    element("notice-shoot", HTMLButtonElement).hidden = !phone;
    element("notice-pick", HTMLButtonElement).classList.toggle("main", !phone);
    element("notice-title", HTMLHeadingElement).textContent = notice.title;
    element("notice-text", HTMLParagraphElement).textContent = notice.text;
    const steps = element("notice-steps", HTMLOListElement);
    steps.hidden = notice.steps.length === 0;
    steps.replaceChildren(
      ...notice.steps.map((text) => {
        const item = document.createElement("li");
        item.textContent = text;
        return item;
      }),
    );
  }

  /**
   * @param {string} text  empty: loaded
   * @param {number} [share]
   */
  loading(text, share = 0) {
    this.#loading.hidden = text === "";
    element("loading-text", HTMLParagraphElement).textContent = text;
    element("loading-share", HTMLProgressElement).value = share;
  }
}

/**
 * What a model that crops sees of a frame; null where it sees all.
 * @param {{height: number, width: number}} sides
 * @param {import("./types.js").Model} model
 */
function visiblePart(sides, { rule, input }) {
  if (rule.resize !== "center_crop") return null;
  if (!rule.interpolation.startsWith("pillow_")) return cropBox(sides, input, rule.crop_fraction);
  const { whole, box } = scaledThenCropped(sides, input, rule.crop_fraction);
  const [y, x] = [sides.height / whole.height, sides.width / whole.width];
  return { top: box.top * y, left: box.left * x, height: box.height * y, width: box.width * x };
}

/**
 * Teaching: classes are made and shot, training is asked for, and the new model comes onto the page.
 *
 * @typedef {import("./types.js").Album} Album
 * @typedef {import("./types.js").AlbumClass} AlbumClass
 * @typedef {import("./types.js").Teaching} Teaching
 * @typedef {import("./page.js").Page} Page
 */
import { Asking } from "./asking.js";
import { Burst } from "./burst.js";
import { element, made } from "./elements.js";
import { readPicture } from "./pictures.js";
import { Roll } from "./roll.js";
import { Sending, ask } from "./sending.js";
import { progressInWords, resultInWords } from "./taught.js";

// Many shots end in one look at the album.
const LOOK_MS = 200;

export class Lesson {
  /** @type {Album | null} */
  #album = null;
  #chosen = "";
  #asking = new Asking();
  #roll = new Roll((picture) => void this.#view(picture));
  #sending;
  #burst;
  /** What last stood against sending. */
  #unsent = "";
  #looking = 0;
  /** Of the burst that is being shot. */
  #last = 0;
  /** @type {number | undefined} */
  #began;
  #announce = element("announce", HTMLParagraphElement);
  #train = element("train", HTMLButtonElement);
  #shutter = element("shutter", HTMLButtonElement);

  /**
   * @param {Page} page
   * @param {string} base  the address of the page
   */
  constructor(page, base) {
    this.page = page;
    this.base = `${base}teach/`;
    this.#sending = new Sending(this.base, () => this.#showSending());
    this.#burst = new Burst(this.#shutter, {
      camera: () => page.camera,
      name: () => this.#chosen,
      take: (shot) => this.#sending.add(shot),
      waiting: () => this.#sending.waiting,
      changed: (count) => this.#shooting(count),
    });
  }

  async begin() {
    element("app", HTMLDivElement).classList.add("teaching");
    for (const id of ["lesson", "lesson-controls"]) element(id, HTMLElement).hidden = false;
    element("controls", HTMLElement).hidden = true;
    // What the camera is seen as belongs onto its picture here: the panel is for the classes.
    element("stage", HTMLElement).append(element("answers", HTMLOListElement));
    const turn = element("turn", HTMLButtonElement);
    turn.classList.replace("tool", "quiet");
    element("open-details", HTMLButtonElement).before(turn);
    element("make", HTMLButtonElement).onclick = () => void this.#make();
    element("rename", HTMLButtonElement).onclick = () => void this.#rename();
    element("delete", HTMLButtonElement).onclick = () => void this.#delete();
    const files = element("files", HTMLInputElement);
    element("lesson-pick", HTMLButtonElement).onclick = () => files.click();
    this.#train.onclick = () => void this.#learn();
    setInterval(() => this.#showState(), 500);
    await this.#look();
  }

  /** What the server says to all pages. @param {any} said */
  heard(said) {
    if (said.type === "album") this.#lookSoon();
    if (said.type === "model") void this.page.replace(said.model);
    if (said.type !== "teaching" || !this.#album) return;
    const { state } = said;
    if (state.phase === "working") this.#began ??= performance.now();
    else this.#began = undefined;
    this.#album = { ...this.#album, state, result: said.result ?? this.#album.result };
    this.#showState();
    // Each second of the progress would be read out; what came of it is.
    if (["taught", "refused", "failed"].includes(state.phase)) {
      this.#announce.textContent = element("teaching-text", HTMLParagraphElement).textContent;
    }
  }

  /** Pictures that were chosen or dropped, for the class that is chosen. @param {File[]} files */
  async files(files) {
    if (!this.#chosen) return this.#problem("Make a class first: what should these be?");
    const name = this.#chosen;
    for (const file of files) {
      try {
        const frame = await readPicture(file);
        this.#sending.add({ name, ...this.#burst.single(), jpeg: await encoded(frame) });
      } catch (error) {
        this.#problem(error instanceof Error ? error.message : String(error));
      }
    }
  }

  // Classes.

  async #make() {
    const name = await this.#asking.name("New class", "");
    if (name === null) return;
    await this.#does("make", { name }, (done) => (this.#chosen = done.name));
  }

  async #rename() {
    const from = this.#chosen;
    const to = await this.#asking.name(`Rename “${from}”`, from);
    if (to === null || to === from) return;
    await this.#does("rename", { from, to }, (done) => (this.#chosen = done.name));
  }

  async #delete() {
    const one = this.#class();
    if (!one) return;
    const count = one.pictures.length;
    const text = count
      ? `Its ${pictures(count)} move to the folder .deleted on the computer.`
      : "It has no pictures.";
    if (!(await this.#asking.sure(`Delete “${one.name}”?`, text))) return;
    await this.#does("delete", { class: one.name }, () => (this.#chosen = ""));
  }

  /** @param {string} picture */
  async #view(picture) {
    const name = this.#chosen;
    const burst = burstOf(picture);
    const all = (this.#class()?.pictures ?? []).filter((p) => burst && burstOf(p) === burst);
    const what = await this.#asking.picture(this.#roll.address(name, picture), picture, all.length);
    if (what === "one") await this.#does("delete", { class: name, pictures: [picture] });
    if (what === "burst") await this.#does("delete", { class: name, pictures: all });
  }

  /**
   * @param {string} what
   * @param {object} words
   * @param {(done: any) => void} [then]
   */
  async #does(what, words, then) {
    this.#problem("");
    try {
      const done = await ask(`${this.base}${what}`, JSON.stringify(words));
      then?.(done);
      await this.#look();
    } catch (error) {
      this.#problem(error instanceof Error ? error.message : String(error));
    }
  }

  async #learn() {
    if (this.#sending.waiting) return this.#problem("Wait until all pictures are there.");
    this.#began = performance.now();
    this.#announce.textContent = "Training";
    await this.#does("train", {});
  }

  #class() {
    return this.#album?.classes.find(({ name }) => name === this.#chosen);
  }

  // What is seen.

  #lookSoon() {
    this.#looking ||= setTimeout(() => {
      this.#looking = 0;
      void this.#look();
    }, LOOK_MS);
  }

  async #look() {
    try {
      const response = await fetch(`${this.base}album`);
      if (!response.ok) throw new Error(`the computer answers ${response.status}`);
      this.#album = /** @type {Album} */ (await response.json());
    } catch (error) {
      this.#problem(`The computer cannot be reached: ${/** @type {Error} */ (error).message}`);
      return;
    }
    if (!this.#class()) this.#chosen = this.#album.classes[0]?.name ?? "";
    this.#showClasses();
    this.#showState();
  }

  #showClasses() {
    const album = /** @type {Album} */ (this.#album);
    document.title = `${album.folder} – cnnedge teach`;
    document.getElementsByTagName("h1")[0].textContent = album.folder;
    const list = element("classes", HTMLUListElement);
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.name;
    list.replaceChildren(...album.classes.map((each) => this.#chip(each)));
    if (focused !== undefined) {
      const again = [...list.querySelectorAll("button")].find((b) => b.dataset.name === focused);
      again?.focus({ preventScroll: true });
    }
    const one = this.#class();
    element("chosen", HTMLDivElement).hidden = !one;
    element("first", HTMLParagraphElement).hidden = Boolean(one);
    this.#shutter.disabled = !one;
    element("lesson-pick", HTMLButtonElement).disabled = !one;
    if (!one) return this.#roll.clear();
    element("class-name", HTMLHeadingElement).textContent = one.name;
    element("class-count", HTMLParagraphElement).textContent = countInWords(one);
    this.#roll.show(`${this.base}thumbnail`, one);
  }

  /** @param {AlbumClass} one */
  #chip(one) {
    const item = made("li");
    const button = made("button");
    button.type = "button";
    button.dataset.name = one.name;
    button.setAttribute("aria-pressed", String(one.name === this.#chosen));
    const name = made("span", one.name, "name");
    name.dir = "auto";
    const count = made("span", String(one.pictures.length), "count");
    count.setAttribute("aria-label", pictures(one.pictures.length));
    button.append(name, count);
    button.onclick = () => {
      this.#chosen = one.name;
      this.#showClasses();
    };
    item.append(button);
    return item;
  }

  /** @param {number | null} count  of the burst so far; null: it is over */
  #shooting(count) {
    element("stage", HTMLElement).classList.toggle("shooting", count !== null);
    this.#shutter.classList.toggle("on", count !== null);
    element("shutter-text", HTMLSpanElement).textContent =
      count === null ? "Hold to shoot" : String(count);
    if (count !== null) this.#last = count;
    else if (this.#last > 0) {
      this.#announce.textContent = `${pictures(this.#last)} of ${this.#chosen}`;
      this.#last = 0;
    }
  }

  #showSending() {
    const { problem } = this.#sending;
    if (problem !== this.#unsent) this.#problem(problem);
    this.#unsent = problem;
    this.#showState();
  }

  #showState() {
    if (!this.#album) return;
    const { state, result, classes } = this.#album;
    const busy = state.phase === "working";
    const missing = missingInWords(classes);
    this.#train.disabled = busy || missing !== "" || state.phase === "failed";
    this.#train.classList.toggle("busy", busy);
    this.#train.dataset.ready = state.phase === "starting" ? "no" : "yes";
    element("train-text", HTMLSpanElement).textContent = busy ? "Training" : "Train";
    const bar = element("teaching-share", HTMLProgressElement);
    bar.hidden = !busy;
    if (state.total > 0) bar.value = state.done / state.total;
    else bar.removeAttribute("value");
    const waiting = this.#sending.waiting;
    const text = busy
      ? progressInWords(state, this.#began)
      : waiting > 3
        ? `Sending ${pictures(waiting)}`
        : ["refused", "failed"].includes(state.phase)
          ? state.text
          : missing || resultInWords(result, classes);
    const place = element("teaching-text", HTMLParagraphElement);
    if (place.textContent !== text) place.textContent = text;
    place.classList.toggle("found", text.startsWith("Live"));
    const after = element("afterwards", HTMLDetailsElement);
    after.hidden = !result || busy;
    element("afterwards-command", HTMLElement).textContent =
      `cnnedge train ${this.#album.recipe} --data ${this.#album.folder}`;
  }

  /** @param {string} text */
  #problem(text) {
    this.page.warn(text);
  }
}

/** @param {string} picture */
const burstOf = (picture) => /burst-([0-9a-z]+)-/.exec(picture)?.[1];

/** @param {number} count */
const pictures = (count) => (count === 1 ? "1 picture" : `${count} pictures`);

/** @param {AlbumClass} one */
function countInWords({ pictures: all, bursts }) {
  if (!all.length) return "No pictures yet";
  return `${pictures(all.length)} in ${bursts === 1 ? "1 burst" : `${bursts} bursts`}`;
}

/** What there must be before anything can be learnt. @param {AlbumClass[]} classes */
function missingInWords(classes) {
  if (classes.length < 2) return "Make two classes or more, then shoot each of them.";
  const few = classes.find(({ pictures: all }) => all.length < 2);
  return few ? `Shoot “${few.name}”: it has ${pictures(few.pictures.length)}.` : "";
}

/** @param {import("./pixels/prepare.js").Frame} frame */
async function encoded({ data, width, height }) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const pixels = new ImageData(new Uint8ClampedArray(data), width);
  canvas.getContext("2d")?.putImageData(pixels, 0, 0);
  return jpegOf(canvas);
}

/** @param {HTMLCanvasElement} canvas @returns {Promise<Blob>} */
export function jpegOf(canvas) {
  return new Promise((resolve, reject) => {
    const done = (/** @type {Blob | null} */ blob) =>
      blob ? resolve(blob) : reject(new Error("the browser cannot write a JPEG of this picture"));
    canvas.toBlob(done, "image/jpeg", 0.92);
  });
}

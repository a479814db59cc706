/**
 * One page: wishes of whoever holds the phone enter; frames are labelled, one at a time, the newest
 * first.
 *
 * @typedef {import("./types.js").Site} Site
 * @typedef {import("./pixels/prepare.js").Frame} Frame
 */
import { Answers } from "./answers.js";
import { Camera, CameraProblem } from "./camera.js";
import { Details } from "./details.js";
import { acceptDrops } from "./drops.js";
import { element } from "./elements.js";
import { Closed } from "./engine.js";
import { Figures, STAGES, milliseconds } from "./figures.js";
import { noticeFor } from "./notices.js";
import { readPicture } from "./pictures.js";
import { Session } from "./session.js";
import { Shelf } from "./shelf.js";
import { Smoothing } from "./smoothing.js";
import { Stage } from "./stage.js";
import { forgetOthers } from "./stored.js";
import { Talk } from "./talk.js";

// Long enough that one odd frame is not seen, short enough that a change is.
const SMOOTH_SECONDS = 0.5;
// A model that takes longer has the frame to itself: the next one would be old by its turn.
const SLOW_MS = 100;
// One that takes less may have two frames waiting. It is about as fast as the camera, and would
// otherwise wait for whichever frame comes a little late; the second frame makes labels older by
// one inference.
const QUICK_MS = 30;
const REPORT_MS = 1000;
// Numbers that change more often cannot be read, and painting them takes time from the model.
const SHOW_MS = 100;

export class Page {
  #stage = new Stage();
  #answers = new Answers();
  #figures = new Figures();
  #smoothing = new Smoothing(SMOOTH_SECONDS);
  #camera = new Camera(this.#stage.video, () => this.#noCamera("gone"));
  #shelf = new Shelf((entry) => this.#showPicture(entry));
  #details = new Details({
    wish: (wish, threads) => this.#wished(wish, threads),
    mirror: () => this.#display(),
  });
  /** @type {"camera" | "frozen" | "pictures" | "none"} */
  #mode = "none";
  /** @type {import("./camera.js").Side} */
  #side = "environment";
  /** @type {Frame | null} */
  #last = null;
  #frames = 0;
  #pictures = 0;
  /** Serialises what must not overlap: changes of model and engine, pictures. */
  #queue = Promise.resolve();
  #busy = false;
  /** Where the page also teaches. @type {import("./lesson.js").Lesson | null} */
  lesson = null;

  /**
   * @param {Site} site
   * @param {string} base
   */
  constructor(site, base) {
    this.site = site;
    this.session = new Session(site, `${base}m/`, (text, share) => this.#stage.loading(text, share));
    const socket = new URL("socket", base);
    socket.protocol = socket.protocol === "https:" ? "wss:" : "ws:";
    const heard = (/** @type {any} */ said) => this.lesson?.heard(said);
    this.talk = new Talk(socket.href, (text) => this.warn(text), heard);
  }

  async begin() {
    this.#controls();
    this.#menu();
    if (this.site.live) {
      void this.talk.begin();
      setInterval(() => this.#report(), REPORT_MS);
    }
    setInterval(() => this.#showFigures(), 250);
    const [first] = this.site.models;
    const loaded = first ? this.#open(first) : this.#stage.loading("");
    // The question for the camera comes while the model loads.
    const camera = this.#openCamera();
    await loaded;
    await camera;
    void this.#forget();
  }

  get camera() {
    return this.#camera;
  }

  /** Puts a new model in place of the others; frames are labelled by it as soon as it is there.
   * @param {import("./types.js").Model} model */
  async replace(model) {
    this.site.models = [model];
    this.session.quiet = true;
    await this.#open(model);
    void this.#forget();
  }

  #forget() {
    const wasm = Object.values(this.site.wasm);
    return forgetOthers([...wasm, ...this.site.models].map(({ sha256 }) => sha256));
  }

  // Controls.

  #controls() {
    const files = element("files", HTMLInputElement);
    const shoot = element("shoot", HTMLInputElement);
    for (const input of [files, shoot]) {
      input.onchange = () => {
        this.#take(Array.from(input.files ?? []));
        input.value = "";
      };
    }
    element("pick", HTMLButtonElement).onclick = () => files.click();
    element("notice-pick", HTMLButtonElement).onclick = () => files.click();
    element("notice-shoot", HTMLButtonElement).onclick = () => shoot.click();
    element("notice-again", HTMLButtonElement).onclick = () => void this.#openCamera();
    element("freeze", HTMLButtonElement).onclick = () => this.#freezeOrGo();
    element("turn", HTMLButtonElement).onclick = () => {
      this.#side = this.#side === "user" ? "environment" : "user";
      void this.#openCamera();
    };
    element("warning-allow", HTMLButtonElement).onclick = () => {
      this.session.allow = true;
      this.#wished("webgpu", this.session.threads);
    };
    document.addEventListener("visibilitychange", () => this.#visibility());
    acceptDrops((files) => this.#take(files));
  }

  #menu() {
    const menu = element("model", HTMLSelectElement);
    const { models } = this.site;
    document.title = models.length === 1 ? `${models[0].name} – cnnedge` : "cnnedge";
    for (const { name } of models) menu.add(new Option(name, name));
    menu.hidden = models.length < 2;
    if (models.length === 1) document.getElementsByTagName("h1")[0].textContent = models[0].name;
    menu.onchange = () => void this.#open(models[menu.selectedIndex]);
  }

  // Model and engine.

  /**
   * Does one thing after another; what goes wrong is said.
   * @param {() => Promise<void>} does
   */
  #next(does) {
    this.#queue = this.#queue.then(does).catch((error) => {
      this.#stage.loading("");
      this.warn(error instanceof Error ? error.message : String(error));
    });
    return this.#queue;
  }

  /** @param {import("./types.js").Model} model */
  #open(model) {
    return this.#next(async () => {
      this.warn("");
      this.#busy = true;
      try {
        await this.session.open(model);
      } finally {
        this.#busy = false;
        this.#stage.loading("");
      }
      this.#ready();
      await this.#relabel();
      void this.#loop();
      if (this.session.wish !== "wasm") void this.#tryGpu();
    });
  }

  #ready() {
    this.#figures.reset();
    this.#smoothing.reset();
    this.#answers.clear();
    element("app", HTMLDivElement).dataset.state = "ready";
    this.#showEngine();
  }

  async #tryGpu() {
    this.#showEngine();
    await this.session.tryGpu(() => this.#someFrame());
    this.#figures.reset();
    this.#showEngine();
    this.warn(
      this.session.refused ? `${this.session.agreement}. WebAssembly is used.` : "",
      this.session.refused,
    );
  }

  /** A frame for comparing engines: of the camera, else of the last picture. */
  async #someFrame() {
    for (;;) {
      const frame = this.#mode === "camera" ? await this.#camera.read() : this.#last;
      if (frame) return { ...frame, data: frame.data.slice() };
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /**
   * @param {import("./session.js").Wish} wish
   * @param {number | undefined} threads
   */
  #wished(wish, threads) {
    this.session.wish = wish;
    this.session.threads = threads;
    void this.#open(this.session.model);
  }

  // Camera.

  async #openCamera() {
    this.#stage.notice(null);
    const { height, width } = this.session.model?.input ?? { height: 224, width: 224 };
    try {
      await this.#camera.open(this.#side, Math.max(height, width));
    } catch (error) {
      this.#noCamera(error instanceof CameraProblem ? error.kind : "busy");
      return;
    }
    this.#mode = "camera";
    this.#smoothing.reset();
    this.#display();
    const turn = element("turn", HTMLButtonElement);
    turn.disabled = (await this.#camera.count()) < 2;
    element("turn-text", HTMLSpanElement).textContent =
      this.#side === "user" ? "Back camera" : "Front camera";
    void navigator.wakeLock?.request("screen").catch(() => undefined);
    void this.#loop();
  }

  /** @param {import("./camera.js").CameraProblem["kind"]} kind */
  #noCamera(kind) {
    if (this.#mode === "camera") this.#mode = "none";
    if (this.#mode === "none") this.#stage.notice(noticeFor(kind));
    element("turn", HTMLButtonElement).disabled = true;
    this.#display();
  }

  #looping = false;
  /** How many frames may be under way while the next one is read. */
  #ahead = 1;
  /** When an answer was shown. */
  #shown = 0;

  async #loop() {
    if (this.#looping) return;
    this.#looping = true;
    /** @type {Promise<void>[]} */
    const underWay = [];
    try {
      while (this.#camera.on && this.#mode === "camera") {
        await this.#camera.nextFrame();
        if (!this.session.ready) this.#stage.shape(this.#camera.sides);
        if (!this.session.ready || this.#busy || this.#mode !== "camera") continue;
        const began = performance.now();
        const frame = await this.#camera.read();
        if (!frame || !this.session.ready || this.#busy || this.#mode !== "camera") continue;
        // Its engine may be changed for another while a frame is under way.
        const labelled = this.#labelFrame(frame, began).catch((error) => {
          if (!(error instanceof Closed)) throw error;
        });
        labelled.catch(() => {});
        // Frames are read and prepared while the model runs on the ones before.
        underWay.push(labelled);
        while (underWay.length > this.#ahead) await underWay.shift();
      }
      await Promise.all(underWay);
    } catch (error) {
      this.warn(error instanceof Error ? error.message : String(error));
    } finally {
      this.#looping = false;
    }
  }

  /**
   * @param {Frame} frame
   * @param {number} began  when it was begun to be read
   */
  async #labelFrame(frame, began) {
    const capture = performance.now() - began;
    const { model } = this.session;
    this.#stage.fit(frame, model);
    const answer = await this.session.label(frame);
    if (this.#mode !== "camera" || model !== this.session.model || this.#busy) return;
    if (this.#last) this.#camera.takeBack(this.#last);
    this.#last = answer.frame;
    const { inference } = answer.times;
    this.#ahead = inference > SLOW_MS ? 0 : inference > QUICK_MS ? 1 : 2;
    this.#frames++;
    this.#figures.add({ capture, ...answer.times }, performance.now());
    const { scores, shown } = this.#smoothing.next(answer.scores, began / 1000);
    if (performance.now() - this.#shown < SHOW_MS) return;
    this.#shown = performance.now();
    this.#answers.show(scores, model, shown);
  }

  #freezeOrGo() {
    if (this.#mode === "camera" && this.#last) {
      this.#mode = "frozen";
      this.#stage.freeze(this.#last);
      this.#display();
      void this.#relabel();
    } else {
      this.#mode = this.#camera.on ? "camera" : "none";
      this.#shelf.mark(null);
      if (this.#camera.on) void this.#loop();
      else void this.#openCamera();
      this.#display();
    }
  }

  #visibility() {
    if (document.hidden) this.#camera.close();
    else if (this.#mode === "camera" || this.#mode === "frozen") {
      if (this.#mode === "camera") void this.#openCamera();
    }
  }

  // Pictures.

  /** @param {File[]} files */
  #take(files) {
    if (files.length === 0) return;
    if (this.lesson) return void this.lesson.files(files);
    this.#mode = "pictures";
    // Nobody likes to be watched while looking at pictures.
    this.#camera.close();
    for (const file of files) {
      void this.#next(async () => {
        const began = performance.now();
        const frame = await readPicture(file);
        const capture = performance.now() - began;
        const sides = { height: frame.height, width: frame.width };
        const { model } = this.session;
        const answer = await this.session.label(frame);
        this.#last = answer.frame;
        this.#pictures++;
        this.#figures.add({ capture, ...answer.times }, performance.now());
        this.#showPicture(this.#shelf.add(file, sides, answer.scores, model.labels));
      });
    }
  }

  /** @param {import("./shelf.js").Entry} entry */
  #showPicture(entry) {
    this.#mode = "pictures";
    this.#stage.picture(entry.url, entry.name);
    this.#display();
    this.#stage.fit(entry.sides, this.session.model);
    this.#answers.show(entry.scores, this.session.model);
    this.#shelf.mark(entry);
  }

  /** Labels what stands still with the model that is there now. */
  async #relabel() {
    const { model } = this.session;
    if (this.#mode === "frozen" && this.#last) {
      const { scores } = await this.session.label({ ...this.#last, data: this.#last.data.slice() });
      this.#answers.show(scores, model);
    }
    for (const entry of this.#mode === "pictures" ? this.#shelf.entries : []) {
      const { scores } = await this.session.label(await readPicture(entry.file));
      this.#shelf.relabel(entry, scores, model.labels);
      if (entry.button.getAttribute("aria-pressed") === "true") this.#showPicture(entry);
    }
  }

  // What is seen.

  #display() {
    const what = { camera: "camera", frozen: "still", pictures: "picture", none: "camera" };
    const mirrored = this.#details.mirror && this.#camera.front;
    this.#stage.show(/** @type {"camera"} */ (what[this.#mode]), mirrored);
    const still = this.#mode === "frozen" || this.#mode === "pictures";
    const freeze = element("freeze", HTMLButtonElement);
    freeze.setAttribute("aria-pressed", String(still));
    freeze.disabled = this.#mode === "none";
    element("freeze-text", HTMLSpanElement).textContent = still ? "Camera" : "Freeze";
  }

  #showEngine() {
    const { engine, note } = this.session;
    // Why there is no GPU stands in the details; what makes it slow, or wrong, here too.
    const said = note && !note.startsWith("no WebGPU") ? note.split("; no WebGPU")[0] : "";
    element("engine", HTMLParagraphElement).textContent = [engine, said].filter(Boolean).join("; ");
  }

  #showFigures() {
    const now = performance.now();
    const live = this.#mode === "camera";
    element("rate", HTMLSpanElement).textContent = live
      ? `${this.#figures.rate(now)} frames/s`
      : this.#pictures
        ? `${this.#pictures} picture${this.#pictures === 1 ? "" : "s"}`
        : "";
    const names = { capture: "read", preprocess: "pixels", inference: "model", postprocess: "" };
    element("times", HTMLSpanElement).textContent = STAGES.filter((stage) => names[stage])
      .map((stage) => [names[stage], this.#figures.of(stage)?.median])
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name} ${milliseconds(Number(value))}`)
      .join(" · ");
    if (this.#details.open && this.session.ready) {
      const sides = this.#last ? `${this.#last.width}×${this.#last.height}` : "";
      this.#details.show(this.session, this.#figures, sides);
    }
  }

  /**
   * @param {string} text  empty: nothing to warn of
   * @param {boolean} [allowed]  whether it may be allowed by a button
   */
  warn(text, allowed = false) {
    element("warning", HTMLDivElement).hidden = text === "";
    element("warning-text", HTMLParagraphElement).textContent = text;
    element("warning-allow", HTMLButtonElement).hidden = !allowed;
  }

  #report() {
    const stages = STAGES.map((stage) => [stage, this.#figures.of(stage)]);
    this.talk.send({
      type: "report",
      model: this.session.model?.name ?? "",
      engine: this.session.engine,
      frames: this.#frames,
      pictures: this.#pictures,
      fps: this.#mode === "camera" ? this.#figures.rate(performance.now()) : 0,
      stages_ms: Object.fromEntries(stages.filter(([, found]) => found)),
      agreement: this.session.agreement,
    });
  }
}

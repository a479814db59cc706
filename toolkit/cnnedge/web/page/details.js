/**
 * The dialog of engine, times and settings: what is measured enters, wishes leave.
 *
 * @typedef {import("./session.js").Session} Session
 */
import { element, made } from "./elements.js";
import { STAGES, milliseconds } from "./figures.js";
import { mostThreads } from "./ways.js";

const NAMES = {
  capture: "reading the frame",
  preprocess: "to the model's pixels",
  inference: "model",
  postprocess: "to labels",
};

export class Details {
  #dialog = element("details", HTMLDialogElement);
  #times = element("stage-times", HTMLTableSectionElement);
  #facts = element("facts", HTMLDListElement);
  #wish = element("wish", HTMLSelectElement);
  #threads = element("threads", HTMLSelectElement);
  #mirror = element("mirror", HTMLInputElement);

  /** @param {{wish: (wish: any, threads: number | undefined) => void, mirror: () => void}} heard */
  constructor(heard) {
    element("open-details", HTMLButtonElement).onclick = () => this.#dialog.showModal();
    // A tap beside the dialog closes it.
    this.#dialog.onclick = (event) => event.target === this.#dialog && this.#dialog.close();
    // Not by its form: the page's policy forbids forms to be sent, even to their own dialog.
    element("close-details", HTMLButtonElement).onclick = () => this.#dialog.close();
    this.#threads.append(option("", "as many as are good"));
    for (let count = 1; count <= mostThreads(); count *= 2) {
      this.#threads.append(option(String(count), String(count)));
    }
    const changed = () =>
      heard.wish(this.#wish.value, this.#threads.value ? Number(this.#threads.value) : undefined);
    this.#wish.onchange = changed;
    this.#threads.onchange = changed;
    this.#mirror.onchange = heard.mirror;
  }

  get mirror() {
    return this.#mirror.checked;
  }

  get open() {
    return this.#dialog.open;
  }

  /**
   * @param {Session} session
   * @param {import("./figures.js").Figures} figures
   * @param {string} sides
   */
  show(session, figures, sides) {
    this.#times.replaceChildren(
      ...STAGES.map((stage) => {
        const row = made("tr");
        const found = figures.of(stage);
        const head = made("th", NAMES[stage]);
        head.scope = "row";
        row.append(head);
        for (const value of [found?.median, found?.p90, found?.p99]) {
          row.append(made("td", value === undefined ? "–" : milliseconds(value).slice(0, -3)));
        }
        return row;
      }),
    );
    const { model, site } = session;
    const { height, width, channels, dtype } = model.input;
    const { resize, interpolation, crop_fraction: fraction } = model.rule;
    const part = fraction < 1 ? `, ${fraction} of it` : "";
    /** @type {[string, string][]} */
    const facts = [
      ["Running on", [session.engine, session.note].filter(Boolean).join("; ")],
      ["Checked", session.agreement || "WebAssembly alone; nothing to compare"],
      ["Model", `${model.name}, ${(model.size_bytes / 1e6).toFixed(2)} MB, ${dtype} in`],
      ["Pixels", `${sides || "frames"} → ${width}×${height}×${channels}: ${resize}, ${interpolation}${part}`],
      ["Classes", String(model.labels.length)],
      ...model.assumptions.map((text) => /** @type {[string, string]} */ (["Assumed", text])),
      ["Sent away", site.live ? "times and counts, to the computer that shows the code; no picture" : "nothing"],
      ["cnnedge", site.version],
    ];
    this.#facts.replaceChildren(...facts.flatMap(([name, text]) => [made("dt", name), made("dd", text)]));
  }
}

/**
 * @param {string} value
 * @param {string} text
 */
function option(value, text) {
  const found = made("option", text);
  found.value = value;
  return found;
}

/**
 * Pictures that were dropped, chosen or shot: files enter, each is labelled, a tap shows it again.
 *
 * @typedef {{name: string, url: string, sides: {height: number, width: number},
 *   scores: Float32Array, button: HTMLButtonElement, file: File}} Entry
 */
import { element, made } from "./elements.js";
import { best } from "./scores.js";

const MOST = 200;

export class Shelf {
  /** @type {Entry[]} */
  entries = [];
  #list = element("shelf", HTMLUListElement);

  /** @param {(entry: Entry) => void} chosen */
  constructor(chosen) {
    this.chosen = chosen;
  }

  /**
   * @param {File} file
   * @param {{height: number, width: number}} sides
   * @param {Float32Array} scores
   * @param {string[]} labels
   */
  add(file, sides, scores, labels) {
    const url = URL.createObjectURL(file);
    const button = made("button");
    button.type = "button";
    const image = made("img");
    image.src = url;
    image.alt = "";
    button.append(image, made("span"));
    /** @type {Entry} */
    const entry = { name: file.name, url, sides, scores, button, file };
    button.onclick = () => this.chosen(entry);
    this.entries.push(entry);
    const item = made("li");
    item.append(button);
    this.#list.append(item);
    this.relabel(entry, scores, labels);
    while (this.entries.length > MOST) {
      const oldest = /** @type {Entry} */ (this.entries.shift());
      URL.revokeObjectURL(oldest.url);
      oldest.button.parentElement?.remove();
    }
    this.#list.hidden = this.entries.length < 2;
    return entry;
  }

  /**
   * @param {Entry} entry
   * @param {Float32Array} scores
   * @param {string[]} labels
   */
  relabel(entry, scores, labels) {
    entry.scores = scores;
    const label = labels[best(scores, 1)[0].index];
    /** @type {HTMLElement} */ (entry.button.lastElementChild).textContent = label;
    entry.button.setAttribute("aria-label", `${entry.name}: ${label}`);
  }

  /** Marks the one that is shown. @param {Entry | null} entry */
  mark(entry) {
    for (const { button } of this.entries) button.setAttribute("aria-pressed", "false");
    entry?.button.setAttribute("aria-pressed", "true");
    const reduced = matchMedia("(prefers-reduced-motion: reduce)").matches;
    entry?.button.scrollIntoView({
      behavior: reduced ? "auto" : "smooth",
      block: "nearest",
      inline: "nearest",
    });
  }
}

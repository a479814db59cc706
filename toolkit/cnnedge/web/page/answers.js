/**
 * The best classes with bars. Scores and labels enter; what is shown, and what a screen reader says,
 * leave.
 */
import { element, made } from "./elements.js";
import { best } from "./scores.js";

const SHOWN = 4;
// A class that is scored by itself is there from this probability on.
const PRESENT_FROM = 0.5;
// A screen reader is told what has stood still so long, and not more often.
const STILL_MS = 1200;

/** @param {number} score */
export const percent = (score) => `${(100 * score).toFixed(1)} %`;

export class Answers {
  #list = element("answers", HTMLOListElement);
  #announce = element("announce", HTMLParagraphElement);
  #said = "";
  #name = "";
  #since = 0;

  /** Nothing is known yet. */
  clear() {
    this.#list.replaceChildren();
    this.#name = "";
  }

  /**
   * @param {Float32Array} scores
   * @param {{labels: string[], independent: boolean}} model
   * @param {number} [shown]  the class that stands first; by its score otherwise
   */
  show(scores, { labels, independent }, shown) {
    let found = best(scores, SHOWN + 1);
    if (shown !== undefined) {
      const first = { index: shown, score: scores[shown] };
      found = [first, ...found.filter(({ index }) => index !== shown)];
    }
    found = found.slice(0, SHOWN);
    const nothing = independent && !found.some(({ score }) => score >= PRESENT_FROM);
    this.#fill(found, labels, nothing);
    this.#speak(nothing ? "nothing that it knows" : labels[found[0].index], found[0].score);
  }

  /**
   * @param {{index: number, score: number}[]} found
   * @param {string[]} labels
   * @param {boolean} nothing
   */
  #fill(found, labels, nothing) {
    while (this.#list.children.length < found.length) this.#list.append(row());
    while (this.#list.children.length > found.length) this.#list.lastChild?.remove();
    found.forEach(({ index, score }, place) => {
      const item = this.#list.children[place];
      const [name, value, bar] = item.children;
      item.className = place === 0 && !nothing ? "first" : "";
      if (name.textContent !== labels[index]) name.textContent = labels[index];
      value.textContent = percent(score);
      const inner = /** @type {HTMLElement} */ (bar.firstElementChild);
      inner.style.transform = `scaleX(${Math.min(1, Math.max(0, score))})`;
    });
  }

  /**
   * @param {string} name
   * @param {number} score
   */
  #speak(name, score) {
    const now = performance.now();
    if (name !== this.#name) {
      this.#name = name;
      this.#since = now;
    } else if (name !== this.#said && now - this.#since > STILL_MS) {
      this.#said = name;
      this.#announce.textContent = `${name}, ${Math.round(100 * score)} percent`;
    }
  }
}

function row() {
  const item = made("li");
  const bar = made("span", "", "bar");
  bar.setAttribute("aria-hidden", "true");
  bar.append(made("i"));
  const name = made("span", "", "name");
  name.dir = "auto";
  item.append(name, made("span", "", "score"), bar);
  return item;
}

/**
 * What a person sees of the page that measures: what goes on, and each model's median so far.
 *
 * @typedef {{name: string, way: string, samples: number[], rounds: number}} Row
 */
import { element, made } from "./elements.js";
import { milliseconds } from "./figures.js";
import { quantile } from "./timing.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 10;
const WIDTH = 1000;

export class Board {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #work = element("work", HTMLElement);
  #share = element("share", HTMLProgressElement);

  /**
   * @param {"waiting" | "working" | "ended"} state
   * @param {string} doing
   * @param {string} [what]
   * @param {string} [how]
   */
  show(state, doing, what = "", how = "") {
    this.#work.dataset.state = state;
    element("doing", HTMLParagraphElement).textContent = doing;
    element("what", HTMLHeadingElement).textContent = what;
    element("how", HTMLParagraphElement).textContent = how;
    element("keep", HTMLParagraphElement).hidden = state === "ended";
    this.#share.hidden = true;
  }

  /**
   * How many pictures are done.
   * @param {number} done
   * @param {number} total
   */
  progress(done, total) {
    this.#share.hidden = false;
    this.#share.value = total ? done / total : 0;
    element("how", HTMLParagraphElement).textContent = `${done} of ${total} pictures`;
  }

  /** What went wrong; empty where nothing did. @param {string} text */
  aside(text) {
    const place = element("aside", HTMLParagraphElement);
    place.hidden = text === "";
    place.textContent = text;
  }

  /** @param {[string, string | undefined][]} facts */
  facts(facts) {
    const told = facts.filter(([, text]) => text);
    element("facts", HTMLDListElement).replaceChildren(
      ...told.flatMap(([name, text]) => [made("dt", name), made("dd", text)]),
    );
  }

  /**
   * One round more.
   * @param {string} name
   * @param {string} way
   * @param {number[]} samples  in milliseconds
   */
  add(name, way, samples) {
    const key = `${name} ${way}`;
    const row = this.#rows.get(key) ?? { name, way, samples: [], rounds: 0 };
    row.samples = row.samples.concat(samples);
    row.rounds++;
    this.#rows.set(key, row);
    const rows = [...this.#rows.values()];
    const most = Math.max(...rows.map(({ samples: all }) => quantile(all, 0.99)));
    element("results", HTMLElement).hidden = false;
    element("found", HTMLOListElement).replaceChildren(...rows.map((each) => item(each, most)));
  }
}

/**
 * @param {Row} row
 * @param {number} most  the scale's end, in milliseconds
 */
function item({ name, way, samples, rounds }, most) {
  const [low, middle, high] = [0.01, 0.5, 0.99].map((share) => quantile(samples, share));
  const bar = document.createElementNS(SVG, "svg");
  bar.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  bar.setAttribute("preserveAspectRatio", "none");
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", `from ${milliseconds(low)} to ${milliseconds(high)}`);
  const place = (/** @type {number} */ value) => (WIDTH * value) / most;
  bar.append(
    rectangle("all", 0, WIDTH),
    rectangle("span", place(low), Math.max(4, place(high) - place(low))),
    rectangle("middle", Math.min(WIDTH - 8, place(middle)), 8),
  );
  const found = made("li");
  found.append(
    made("span", name, "name"),
    made("span", milliseconds(middle), "time"),
    made("span", way, "way"),
    made("span", `${rounds} round${rounds === 1 ? "" : "s"}`, "rounds"),
    bar,
  );
  return found;
}

/**
 * @param {string} kind
 * @param {number} x
 * @param {number} width
 */
function rectangle(kind, x, width) {
  const found = document.createElementNS(SVG, "rect");
  found.setAttribute("class", kind);
  found.setAttribute("x", String(x));
  found.setAttribute("y", kind === "middle" ? "0" : "2");
  found.setAttribute("width", String(width));
  found.setAttribute("height", String(kind === "middle" ? HEIGHT : HEIGHT - 4));
  return found;
}

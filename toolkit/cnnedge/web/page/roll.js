/**
 * The pictures of one class, newest first, with a gap between bursts. A tap opens one.
 *
 * @typedef {import("./types.js").AlbumClass} AlbumClass
 */
import { element, made } from "./elements.js";

const MOST = 60;

export class Roll {
  #list = element("roll", HTMLUListElement);
  #shown = "";
  #all = "";
  #base = "";

  /** @param {(picture: string) => void} chosen */
  constructor(chosen) {
    this.chosen = chosen;
  }

  clear() {
    this.#shown = "";
    this.#list.replaceChildren();
  }

  /**
   * @param {string} name
   * @param {string} picture
   */
  address(name, picture) {
    return `${this.#base}?${new URLSearchParams({ class: name, picture })}`;
  }

  /**
   * @param {string} base  where thumbnails are
   * @param {AlbumClass} one
   */
  show(base, one) {
    this.#base = base;
    const many = this.#all === one.name ? Infinity : MOST;
    const newest = ordered(one.pictures).slice(0, many);
    const key = JSON.stringify([one.name, one.pictures.length, newest]);
    if (key === this.#shown) return;
    const other = !this.#shown.startsWith(JSON.stringify([one.name]).slice(0, -1) + ",");
    this.#shown = key;
    const kept = new Map();
    for (const item of other ? [] : this.#list.children) {
      kept.set(/** @type {HTMLElement} */ (item).dataset.picture, item);
    }
    const items = newest.map((picture) => kept.get(picture) ?? this.#item(one.name, picture));
    newest.forEach((picture, place) => {
      const before = place > 0 && burstOf(newest[place - 1]);
      items[place].classList.toggle("apart", place > 0 && before !== burstOf(picture));
    });
    const rest = one.pictures.length - newest.length;
    if (rest > 0) items.push(this.#more(base, one, rest));
    this.#list.replaceChildren(...items);
    if (other) this.#list.scrollLeft = 0;
  }

  /**
   * @param {string} name
   * @param {string} picture
   */
  #item(name, picture) {
    const item = made("li");
    item.dataset.picture = picture;
    const button = made("button");
    button.type = "button";
    button.setAttribute("aria-label", `${picture}; open`);
    const image = made("img");
    image.loading = "lazy";
    image.alt = "";
    image.src = this.address(name, picture);
    button.append(image);
    button.onclick = () => this.chosen(picture);
    item.append(button);
    return item;
  }

  /**
   * @param {string} base
   * @param {AlbumClass} one
   * @param {number} rest
   */
  #more(base, one, rest) {
    const item = made("li");
    const button = made("button", `${rest} more`, "more");
    button.type = "button";
    button.onclick = () => {
      this.#all = one.name;
      this.show(base, one);
    };
    item.append(button);
    return item;
  }
}

/** @param {string} picture */
const burstOf = (picture) => /burst-([0-9a-z]+)-/.exec(picture)?.[1] ?? picture;

/** Newest first: the names of bursts sort by time. @param {string[]} pictures */
const ordered = (pictures) => [...pictures].sort().reverse();

/**
 * Dialogs: a name, whether one is sure, what to do with a picture. Answers leave as promises; null
 * or false where the dialog was closed.
 */
import { element } from "./elements.js";

export class Asking {
  #naming = element("naming", HTMLDialogElement);
  #sure = element("sure", HTMLDialogElement);
  #viewing = element("viewing", HTMLDialogElement);

  constructor() {
    this.#typed();
    for (const dialog of [this.#naming, this.#sure, this.#viewing]) {
      // Not by their forms: the page's policy forbids these to be sent, even to a dialog.
      dialog.onsubmit = (event) => event.preventDefault();
      dialog.onclick = ({ target }) => {
        if (target === dialog) dialog.close("");
        if (target instanceof HTMLButtonElement && target.type === "button") dialog.close(target.value);
      };
    }
  }

  #typed() {
    element("naming-text", HTMLInputElement).onkeydown = (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      this.#naming.close("yes");
    };
  }

  /**
   * @param {string} title
   * @param {string} before
   * @returns {Promise<string | null>}
   */
  async name(title, before) {
    element("naming-title", HTMLHeadingElement).textContent = title;
    const input = element("naming-text", HTMLInputElement);
    input.value = before;
    const answer = closed(this.#naming);
    input.select();
    return (await answer) === "yes" && input.value.trim() ? input.value.trim() : null;
  }

  /**
   * @param {string} title
   * @param {string} text
   */
  async sure(title, text) {
    element("sure-title", HTMLHeadingElement).textContent = title;
    element("sure-text", HTMLParagraphElement).textContent = text;
    return (await closed(this.#sure)) === "yes";
  }

  /**
   * @param {string} address
   * @param {string} name
   * @param {number} burst  how many pictures its burst has
   */
  async picture(address, name, burst) {
    const image = element("viewing-picture", HTMLImageElement);
    image.src = address;
    image.alt = name;
    element("viewing-title", HTMLHeadingElement).textContent = name;
    const all = element("viewing-burst", HTMLButtonElement);
    all.hidden = burst < 2;
    all.textContent = `Delete its burst (${burst})`;
    return closed(this.#viewing);
  }
}

/**
 * Opens a dialog; the value of the button that closed it.
 * @param {HTMLDialogElement} dialog
 * @returns {Promise<string>}
 */
function closed(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}

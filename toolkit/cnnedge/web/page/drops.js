/** Pictures that are dropped anywhere on the page: files leave. */
import { element } from "./elements.js";

/** @param {(files: File[]) => void} take */
export function acceptDrops(take) {
  const hint = element("drop", HTMLParagraphElement);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    hint.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) hint.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    hint.hidden = true;
    take(Array.from(event.dataTransfer?.files ?? []));
  });
}

/** The page: joins camera, pictures, engine and what is seen. */
import { Page } from "./page.js";

const base = new URL(".", location.href).href;
try {
  const response = await fetch(`${base}site.json`);
  if (!response.ok) throw new Error(`site.json: ${response.status}`);
  const site = /** @type {import("./types.js").Site} */ (await response.json());
  await new Page(site, base).begin();
  if (site.offline && "serviceWorker" in navigator) {
    await navigator.serviceWorker.register(`${base}service_worker.js`).catch(() => undefined);
  }
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  const place = document.getElementById("loading-text");
  if (place) place.textContent = `The page cannot start: ${text}`;
}

/** The page: joins camera, pictures, engine and what is seen. */
import { Page } from "./page.js";

const base = new URL(".", location.href).href;
try {
  const response = await fetch(`${base}site.json`);
  if (!response.ok) throw new Error(`site.json: ${response.status}`);
  const site = /** @type {import("./types.js").Site} */ (await response.json());
  const page = new Page(site, base);
  const lesson = site.teaching ? new (await import("./lesson.js")).Lesson(page, base) : null;
  if (lesson) {
    page.lesson = lesson;
    await lesson.begin();
  }
  await page.begin();
  if (site.offline && "serviceWorker" in navigator) {
    await navigator.serviceWorker.register(`${base}service_worker.js`).catch(() => undefined);
  }
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  const place = document.getElementById("loading-text");
  if (place) place.textContent = `The page cannot start: ${text}`;
}

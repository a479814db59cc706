/**
 * Large files by their checksum: once fetched, a browser keeps them.
 *
 * A path and its SHA-256 enter; the content leaves. Kept in the browser's Cache, and not in its
 * HTTP cache alone: that one forgets what came with a certificate of our own.
 */

const NAME = "cnnedge";

/** @param {string} sha256 */
const keyOf = (sha256) => new URL(`kept/${sha256}`, location.origin).href;

/** @param {Uint8Array} content */
async function sum(content) {
  const digest = new Uint8Array(
    await crypto.subtle.digest("SHA-256", /** @type {BufferSource} */ (content)),
  );
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} path
 * @param {number} size
 * @param {(share: number) => void} progress  told how much has come, 0..1
 */
export async function fetched(path, size, progress) {
  const response = await fetch(path);
  if (!response.ok || !response.body) throw new Error(`${path}: ${response.status}`);
  const reader = response.body.getReader();
  const content = new Uint8Array(size);
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (at + value.length > size) throw new Error(`${path}: longer than it should be`);
    content.set(value, at);
    at += value.length;
    progress(at / size);
  }
  if (at !== size) throw new Error(`${path}: the connection broke; load the page again`);
  return content;
}

/** The browser's own store; null where the page is not secure, or may keep nothing. */
async function store() {
  try {
    return typeof caches === "undefined" ? null : await caches.open(NAME);
  } catch {
    return null;
  }
}

/**
 * @param {string} path
 * @param {{sha256: string, size_bytes: number}} file
 * @param {(share: number) => void} [progress]
 * @returns {Promise<Uint8Array>}
 */
export async function stored(path, { sha256, size_bytes }, progress = () => {}) {
  const kept = await store();
  const found = await kept?.match(keyOf(sha256));
  if (found) {
    const content = new Uint8Array(await found.arrayBuffer());
    if ((await sum(content)) === sha256) return content;
    await kept?.delete(keyOf(sha256));
  }
  const content = await fetched(path, size_bytes, progress);
  if (kept && (await sum(content)) === sha256) {
    // A full disk is no reason to stop.
    await kept
      .put(keyOf(sha256), new Response(/** @type {BodyInit} */ (content)))
      .catch(() => undefined);
  }
  return content;
}

/**
 * Forgets files of earlier visits that nobody needs any more.
 * @param {Iterable<string>} needed  checksums
 */
export async function forgetOthers(needed) {
  const kept = await store();
  const keys = new Set(Array.from(needed, keyOf));
  for (const request of (await kept?.keys()) ?? []) {
    if (!keys.has(request.url)) await kept?.delete(request);
  }
}

/**
 * Parcels: a tar of pictures is read as it comes; NumPy's files are read and written. Sizes are
 * those of the parcel's own headers, which cnnedge wrote.
 *
 * @typedef {{shape: number[], data: Uint8Array}} Levels  an array of levels, row by row
 */
const BLOCK = 512;

/**
 * The files of a tar, in order.
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<{name: string, content: Uint8Array<ArrayBuffer>}>}
 */
export async function* unpacked(stream) {
  const reader = new Bytes(stream);
  for (;;) {
    const header = await reader.take(BLOCK);
    if (!header || header[0] === 0) return;
    const name = text(header.subarray(0, 100));
    const size = parseInt(text(header.subarray(124, 136)).trim(), 8);
    const content = await reader.take(size);
    if (!content) throw new Error("the pictures did not come whole");
    yield { name, content };
    await reader.take((BLOCK - (size % BLOCK)) % BLOCK);
  }
}

/** @param {Uint8Array} bytes */
const text = (bytes) => new TextDecoder("latin1").decode(bytes).replace(/\0.*$/s, "");

class Bytes {
  /** @type {Uint8Array} */
  #left = new Uint8Array(0);
  #reader;

  /** @param {ReadableStream<Uint8Array>} stream */
  constructor(stream) {
    this.#reader = stream.getReader();
  }

  /**
   * So many bytes; null at the end.
   * @param {number} count
   */
  async take(count) {
    const out = new Uint8Array(count);
    let at = 0;
    while (at < count) {
      if (this.#left.length === 0) {
        const { done, value } = await this.#reader.read();
        if (done) return null;
        this.#left = value;
      }
      const part = this.#left.subarray(0, count - at);
      out.set(part, at);
      at += part.length;
      this.#left = this.#left.subarray(part.length);
    }
    return out;
  }
}

/**
 * An .npy file of levels.
 * @param {Uint8Array} content
 * @returns {Levels}
 */
export function levelsOf(content) {
  const length = content[8] | (content[9] << 8);
  const header = text(content.subarray(10, 10 + length));
  const shape = /'shape': \(([\d, ]*)\)/.exec(header)?.[1];
  if (!/'descr': '\|u1'/.test(header) || !/'fortran_order': False/.test(header) || !shape) {
    throw new Error("a picture of the parcel is no array of levels");
  }
  const sides = shape.split(",").filter((part) => part.trim()).map(Number);
  return { shape: sides, data: content.subarray(10 + length) };
}

/** @param {ArrayLike<number>} shape */
export const tuple = (shape) => `(${Array.from(shape).join(", ")}${shape.length === 1 ? "," : ""})`;

const TYPES = /** @type {Record<string, string>} */ ({
  Uint8Array: "|u1",
  Int32Array: "<i4",
  Float32Array: "<f4",
  BigUint64Array: "<u8",
});

/**
 * An .npy file.
 * @param {ArrayLike<number>} shape
 * @param {ArrayBufferView[]} parts  of one type, one after the other
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function npy(shape, parts) {
  const kind = parts[0].constructor.name;
  const said = `{'descr': '${TYPES[kind]}', 'fortran_order': False, 'shape': ${tuple(shape)}, }`;
  const head = `${said.padEnd(Math.ceil((said.length + 11) / 64) * 64 - 11)}\n`;
  const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const out = new Uint8Array(10 + head.length + size);
  out.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, head.length & 255, head.length >> 8]);
  out.set(new TextEncoder().encode(head), 10);
  let at = 10 + head.length;
  for (const part of parts) {
    out.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
    at += part.byteLength;
  }
  return out;
}

/**
 * Files in a zip, not compressed: what NumPy reads as .npz.
 * @param {Record<string, Uint8Array<ArrayBuffer>>} files
 * @returns {Blob}
 */
export function zipped(files) {
  /** @type {BlobPart[]} */
  const parts = [];
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const directory = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const coded = new TextEncoder().encode(name);
    // Version, flags, stored, no time, sum, sizes, lengths of name and of nothing more.
    const common = [[2, 20], [2, 0], [2, 0], [4, 0x21 << 16], [4, crc32(content)]];
    const sizes = [[4, content.length], [4, content.length], [2, coded.length], [2, 0]];
    const local = joined([[4, 0x04034b50], ...common, ...sizes], coded);
    directory.push(
      joined([[4, 0x02014b50], [2, 20], ...common, ...sizes, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]], coded),
    );
    parts.push(local, content);
    at += local.length + content.length;
  }
  const size = directory.reduce((sum, entry) => sum + entry.length, 0);
  const count = directory.length;
  const end = joined([[4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, size], [4, at], [2, 0]]);
  return new Blob([...parts, ...directory, end]);
}

/**
 * Numbers of so many bytes each, little end first, and bytes behind them.
 * @param {number[][]} fields
 * @param {Uint8Array} [more]
 */
function joined(fields, more = new Uint8Array(0)) {
  const size = fields.reduce((sum, [bytes]) => sum + bytes, 0);
  const out = new Uint8Array(size + more.length);
  let at = 0;
  for (const [bytes, value] of fields) {
    for (let i = 0; i < bytes; i++) out[at++] = (value >>> (8 * i)) & 255;
  }
  out.set(more, size);
  return out;
}

const SUMS = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/** @param {Uint8Array} bytes */
function crc32(bytes) {
  let sum = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) sum = SUMS[(sum ^ bytes[i]) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

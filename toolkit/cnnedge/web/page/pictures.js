/**
 * Picture files to frames: upright, over white where they are transparent, never scaled.
 */

/** @typedef {import("./pixels/prepare.js").Frame} Frame */

// Phones refuse larger canvases; pictures are read in strips below it.
const MOST_CANVAS_PIXELS = 4_000_000;
const MOST_PIXELS = 120_000_000;

/**
 * Throws Error with a text for people.
 * @param {Blob & {name?: string}} file
 * @returns {Promise<Frame>}
 */
export async function readPicture(file) {
  const name = file.name ?? "the picture";
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, {
      imageOrientation: "from-image",
      premultiplyAlpha: "none",
      // cnnedge applies no profiles, in training either.
      colorSpaceConversion: "none",
    });
  } catch {
    throw new Error(`${name}: this browser cannot read it; JPEG and PNG are read everywhere`);
  }
  const { width, height } = bitmap;
  try {
    if (width * height > MOST_PIXELS) {
      throw new Error(`${name}: ${width}x${height} is too large; up to 120 megapixels are read`);
    }
    return { data: pixelsOf(bitmap), width, height };
  } finally {
    bitmap.close();
  }
}

/** @param {ImageBitmap} bitmap */
function pixelsOf(bitmap) {
  const { width, height } = bitmap;
  const data = new Uint8ClampedArray(width * height * 4);
  const rows = Math.max(1, Math.min(height, Math.floor(MOST_CANVAS_PIXELS / width)));
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = rows;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("the browser has no memory left for a picture");
  for (let top = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    context.clearRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, top, width, count, 0, 0, width, count);
    data.set(context.getImageData(0, 0, width, count).data, top * width * 4);
  }
  overWhite(data);
  return data;
}

/** @param {Uint8ClampedArray} data */
function overWhite(data) {
  for (let i = 3; i < data.length; i += 4) {
    const alpha = data[i];
    if (alpha === 255) continue;
    for (let c = i - 3; c < i; c++) {
      data[c] = Math.floor((data[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
    data[i] = 255;
  }
}

// Frames and rules enter by a file; the digest of each prepared picture leaves, one a line.
//   node web_pixels.mjs PREPARE.JS PLAN.JSON FRAMES.BIN
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [script, plan, frames] = process.argv.slice(2);
const { prepare } = await import(pathToFileURL(script).href);
const all = readFileSync(frames);
for (const { offset, height, width, size, rule } of JSON.parse(readFileSync(plan, "utf-8"))) {
  const data = all.subarray(offset, offset + height * width * 4);
  const pixels = prepare({ data, height, width }, size, rule);
  console.log(createHash("sha256").update(pixels).digest("hex"));
}

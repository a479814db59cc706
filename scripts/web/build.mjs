// Copies the third-party code that the page needs from node_modules to
// toolkit/cnnedge/web/third_party, compressed.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules", "@litertjs");
const target = join(here, "..", "..", "toolkit", "cnnedge", "web", "third_party");
const part = `${target}.part-${process.pid}`;
const BUILDS = ["threaded_", "", "compat_", "jspi_"];

const { version } = JSON.parse(readFileSync(join(modules, "core", "package.json"), "utf-8"));

/** Only the compressed file is kept: every browser takes it, and a wheel holds it once. */
function write(name, content) {
  writeFileSync(join(part, `${name}.gz`), gzipSync(content, { level: 9 }));
}

/** @param {string} text */
const withoutMap = (text) => text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");

rmSync(part, { recursive: true, force: true });
mkdirSync(part, { recursive: true });
const utils = readFileSync(join(modules, "wasm-utils", "dist", "index.js"), "utf-8");
write("wasm_utils.js", withoutMap(utils));
const core = readFileSync(join(modules, "core", "dist", "index.js"), "utf-8");
// Workers know no import map, so the one import names its file.
const pieces = core.split('from "@litertjs/wasm-utils"');
if (pieces.length !== 2) throw new Error("@litertjs/core imports something else than it did");
write("litert.js", withoutMap(pieces.join('from "./wasm_utils.js"')));
for (const build of BUILDS) {
  for (const suffix of ["js", "wasm"]) {
    const name = `litert_wasm_${build}internal.${suffix}`;
    write(name, readFileSync(join(modules, "core", "wasm", name)));
  }
}
writeFileSync(
  join(part, "NOTICE"),
  `LiteRT.js ${version} (npm packages @litertjs/core and @litertjs/wasm-utils), © Google LLC,
Apache License 2.0: https://www.apache.org/licenses/LICENSE-2.0
The files are as published, but for this: litert.js imports wasm_utils.js by its path, and the
comments that name source maps are left out.
`,
);
rmSync(target, { recursive: true, force: true });
renameSync(part, target);

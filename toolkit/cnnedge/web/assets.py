"""The files of the page: ours, and those that `make web` or a release wheel brings.

Nothing enters; Assets leave, whole in memory: what a server holds so, no address can lead out of.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import MissingExtraError

_HERE = Path(__file__).parent
PAGE, THIRD_PARTY = _HERE / "page", _HERE / "third_party"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".tflite": "application/octet-stream",
    ".webmanifest": "application/manifest+json",
}
# Node.js reads it, for tests.
_NOT_SERVED = ("package.json",)


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One file. packed: its content by gzip; sha256, size_bytes: of the content itself."""

    packed: bytes
    sha256: str
    size_bytes: int

    @property
    def content(self) -> bytes:
        return gzip.decompress(self.packed)


@dataclass(frozen=True, kw_only=True)
class Assets:
    """All files of the page by their paths. digest: of all of them; it names their folder, so that
    a browser may keep them for ever. litert_version: of LiteRT.js."""

    files: Mapping[str, Asset]
    digest: str
    litert_version: str = ""

    def index(self, name: str = "index.html") -> str:
        """The page itself, with the folder of everything else in it."""
        return self.files[name].content.decode().replace("{{assets}}", f"a/{self.digest}")

    def wasm(self) -> dict[str, dict[str, object]]:
        """What the page keeps by its checksum."""
        return {
            path.rpartition("/")[2]: {"sha256": asset.sha256, "size_bytes": asset.size_bytes}
            for path, asset in self.files.items()
            if path.endswith(".wasm")
        }


def load_assets() -> Assets:
    """Raises MissingExtraError where the files of others are not there."""
    if not (THIRD_PARTY / "NOTICE").exists():
        raise MissingExtraError(
            f"{THIRD_PARTY}: the page lacks LiteRT.js. In a clone 'make web' fetches it; a "
            "released wheel of cnnedge carries it"
        )
    files = {}
    for path in sorted(PAGE.rglob("*")):
        if path.suffix in TYPES and path.name not in _NOT_SERVED:
            files[path.relative_to(PAGE).as_posix()] = asset(path.read_bytes())
    for path in sorted(THIRD_PARTY.glob("*.gz")):
        packed = path.read_bytes()
        files[f"third_party/{path.stem}"] = asset(gzip.decompress(packed), packed)
    summed = hashlib.sha256()
    for name, each in sorted(files.items()):
        summed.update(f"{name} {each.sha256}\n".encode())
    notice = (THIRD_PARTY / "NOTICE").read_text(encoding="utf-8")
    version = re.match(r"LiteRT\.js (\S+)", notice)
    return Assets(
        files=files,
        digest=summed.hexdigest()[:16],
        litert_version=version[1] if version else "",
    )


def asset(content: bytes, packed: bytes | None = None) -> Asset:
    """A file of a content; packed: where it is there already."""
    return Asset(
        packed=gzip.compress(content, mtime=0) if packed is None else packed,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )

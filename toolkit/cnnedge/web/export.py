"""The page as a folder for any static web host, that works without a network once it was opened.

Models and a folder enter; files leave. A host that sends COOP and COEP gives threads; others one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import CnnedgeError
from ..files import write_bytes
from .assets import load_assets
from .description import WebModel
from .server import site_files

# Written by us into every site: what tells an earlier export from somebody's folder.
_MARK = "site.json"
# As Netlify and Cloudflare Pages read them; others are told in docs/phone.md.
_HEADERS = """/*
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Embedder-Policy: require-corp
  Cross-Origin-Resource-Policy: same-origin
  Referrer-Policy: no-referrer
  X-Content-Type-Options: nosniff
/a/*
  Cache-Control: public, max-age=31536000, immutable
/m/*
  Cache-Control: public, max-age=31536000, immutable
"""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written."""

    files: int
    size_bytes: int


def export(folder: Path, models: Sequence[WebModel]) -> Written:
    """Writes a site to a new folder, an empty one, or over an earlier one. Raises CnnedgeError."""
    if folder.exists() and not folder.is_dir():
        raise CnnedgeError(f"{folder}: this is a file; name a folder for the site")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise CnnedgeError(
            f"{folder}: holds other files, and is no earlier export; name a new or an empty folder"
        )
    assets = load_assets()
    files = {
        path: found.content for path, found in site_files(assets, models, kind="offline").items()
    }
    files["service_worker.js"] = _service_worker(
        assets.files["service_worker.js"].content.decode(), assets.digest, models, files
    ).encode()
    files["_headers"] = _HEADERS.encode()
    # GitHub Pages passes over names that begin with an underscore, unless this is there.
    files[".nojekyll"] = b""
    # The mark first: an export that is killed is one that the next may go over.
    for path in sorted(files, key=lambda path: path != _MARK):
        write_bytes(folder / path, files[path])
    return Written(files=len(files), size_bytes=sum(len(c) for c in files.values()))


def _service_worker(
    text: str, digest: str, models: Sequence[WebModel], files: dict[str, bytes]
) -> str:
    """With the list of what it keeps. The page keeps models and wasm itself, as it uses them."""
    kept = ["./", *sorted(p for p in files if not p.startswith("m/") and ".wasm" not in p)]
    name = f"cnnedge-offline-{digest}-" + "-".join(model.sha256[:8] for model in models)
    return text.replace("/*files*/ []", json.dumps(kept)).replace(
        '/*name*/ "cnnedge-offline"', json.dumps(name)
    )

"""Fetching a benchmark_model, on request alone.

A kind, an ABI and a checksum enter; the path of the tool in the cache folder leaves. Addresses:
https://ai.google.dev/edge/litert/models/measurement and LiteRT's release binaries.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path

from ...downloads import TooLarge, Unreachable
from ...downloads import download as fetch
from ...errors import DeviceError
from ...files import write_bytes
from .tools import KINDS, Kind, cached

_CLASSIC = (
    "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/"
    "nightly/latest/android_{}_benchmark_model"
)
_LITERT = "https://storage.googleapis.com/litert/binaries/latest/android_{}/benchmark_model"
ADDRESSES: Mapping[tuple[Kind, str], str] = {
    ("tflite", "arm64-v8a"): _CLASSIC.format("aarch64"),
    ("tflite", "armeabi-v7a"): _CLASSIC.format("arm"),
    ("litert", "arm64-v8a"): _LITERT.format("arm64"),
}
# The tools are 5 to 30 MB.
_MOST_BYTES = 200_000_000


def download(kind: Kind, abi: str, *, sha256: str, address: str = "") -> Path:
    """Fetches the tool of a kind for an ABI, checks it, and keeps it in the cache folder.

    sha256: the file must have it; ask the one you trust for it (64 hexadecimal digits). address:
    instead of Google's. Raises DeviceError.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise DeviceError(f"sha256: {sha256!r}: 64 hexadecimal digits are needed")
    if kind not in KINDS:
        raise DeviceError(f"there is no tool '{kind}'; allowed: {', '.join(KINDS)}")
    url = address or ADDRESSES.get((kind, abi), "")
    place = cached(kind, abi)
    if not url:
        known = ", ".join(f"{k} {a}" for k, a in ADDRESSES)
        raise DeviceError(
            f"no address is known of {kind}'s benchmark_model for {abi} (known: {known}): build "
            f"it, and put it at {place}"
        )
    if place.exists() and _hash(place.read_bytes()) == sha256.lower():
        return place
    data = _fetch(url, place)
    if _hash(data) != sha256.lower():
        raise DeviceError(
            f"{url}: the file's SHA-256 is {_hash(data)}, wanted {sha256.lower()}: not kept. The "
            "file there may have been replaced by a newer one"
        )
    write_bytes(place, data)
    return place


def _fetch(url: str, place: Path) -> bytes:
    if not url.startswith(("https://", "http://")):
        raise DeviceError(f"{url}: no address of the web; allowed: https://, http://")
    content = io.BytesIO()
    try:
        fetch(url, content, most_bytes=_MOST_BYTES)
    except Unreachable as error:
        raise DeviceError(
            f"cannot fetch {url}: {error}. Where this machine has no network, fetch the file "
            f"elsewhere and put it at {place}, or give its path with --benchmark-tool"
        ) from None
    except TooLarge:
        raise DeviceError(
            f"{url}: more than {_MOST_BYTES / 1e6:.0f} MB: this is no benchmark_model"
        ) from None
    return content.getvalue()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

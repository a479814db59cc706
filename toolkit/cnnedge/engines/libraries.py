"""Delegate libraries: which files are known under which delegate, and where they lie.

The name of a delegate enters, the path of a library leaves, or the reason why there is none.
Names and folders are those of the vendors' own board images: VeriSilicon's TIM-VX, NXP's eIQ,
Qualcomm's AI Engine Direct, Google's Coral, Mesa's Teflon.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

# In the order in which they are looked for; with what they drive.
LIBRARIES: Mapping[str, Mapping[str, str]] = {
    "npu": {
        "libedgetpu.so.1": "Coral Edge TPU",
        "libedgetpu.1.dylib": "Coral Edge TPU",
        "edgetpu.dll": "Coral Edge TPU",
        "libvx_delegate.so": "VeriSilicon NPUs (i.MX 8M Plus, Amlogic)",
        "libethosu_delegate.so": "Arm Ethos-U (i.MX 93)",
        "libneutron_delegate.so": "NXP eIQ Neutron (i.MX 95)",
        "libQnnTFLiteDelegate.so": "Qualcomm Hexagon",
        "libteflon.so": "Mesa's drivers for Vivante and Rockchip NPUs",
    },
    "nnapi": {
        "nnapi_external_delegate.so": "Android's Neural Networks API",
        "libnnapi_external_delegate.so": "Android's Neural Networks API",
    },
    "gpu": {
        "libtensorflowlite_gpu_delegate.so": "OpenCL and OpenGL ES",
        "gpu_external_delegate.so": "OpenCL and OpenGL ES",
        "tensorflowlite_gpu.dll": "OpenCL",
    },
}
# Qualcomm's one library serves several processors and takes no default.
_NEEDED_OPTIONS = {
    ("npu", "libQnnTFLiteDelegate.so"): {"backend_type": "htp"},
    ("gpu", "libQnnTFLiteDelegate.so"): {"backend_type": "gpu"},
}
_SUFFIXES = (".so", ".dylib", ".dll")


def is_library(delegate: str) -> bool:
    """Whether --delegate names a file and not one of the delegates."""
    return "/" in delegate or os.sep in delegate or any(s in delegate for s in _SUFFIXES)


def find(delegate: str) -> Path | None:
    """The first known library of this delegate on this machine."""
    for name in LIBRARIES[delegate]:
        for folder in _folders():
            if (folder / name).exists():
                return folder / name
    return None


def with_needed(delegate: str, library: Path, options: Mapping[str, str]) -> dict[str, str]:
    """The options, with those that the library does not work without."""
    return _NEEDED_OPTIONS.get((delegate, library.name), {}) | dict(options)


def on_android() -> bool:
    return sys.platform == "android" or "ANDROID_ROOT" in os.environ


def reason_for_none(delegate: str) -> str:
    """Why `find` found nothing: what was looked for, and where it would be."""
    names = ", ".join(n for n in LIBRARIES[delegate] if n.endswith((".so", ".so.1")))
    here = f"{platform.system()} on {platform.machine()}"
    if delegate == "nnapi":
        where = "" if on_android() else f"; NNAPI exists only on Android, and this is {here}"
        return f"no NNAPI delegate library is installed ({names}){where}"
    if delegate == "npu":
        return f"no NPU delegate library is installed (looked for {names}; this is {here})"
    return f"no GPU delegate library is installed (looked for {names}; this is {here})"


def remedy_for_none(delegate: str) -> str:
    """Where the delegate would work, and what to do next."""
    if delegate == "nnapi":
        return (
            "It works on Android 8.1 to 14 with that library (NNAPI is deprecated since Android "
            "15: prefer gpu or npu there). Give its path to --delegate, or use --delegate cpu"
        )
    if delegate == "npu":
        boards = "; ".join(dict.fromkeys(LIBRARIES["npu"].values()))
        return (
            f"It works where the board's maker ships a delegate library ({boards}): give its path "
            "to --delegate, or use --delegate cpu"
        )
    return "Give the path of one to --delegate, or use --engine litert, or --delegate cpu"


def _folders() -> list[Path]:
    machine = platform.machine()
    given = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    standard = [
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/lib",
        f"/usr/lib/{machine}-linux-gnu",
        f"/usr/local/lib/{machine}-linux-gnu",
        "/usr/lib/teflon",
        "/opt/homebrew/lib",
    ]
    android = ["/vendor/lib64", "/system/lib64", "/data/local/tmp"] if on_android() else []
    return [Path(f) for f in [*given, *standard, *android] if f]

"""A GPU for tests: SwiftShader, the software Vulkan that Debian's chromium brings."""

from __future__ import annotations

from pathlib import Path

from .environments import missing

_DRIVER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
_LOADER = Path("/usr/lib/chromium/libvulkan.so.1")


def software_vulkan(folder: Path) -> dict[str, str]:
    """Environment variables that give another process a Vulkan device; skips where there is none.

    folder: takes a link to chromium's Vulkan loader alone, so that none of its other libraries
    comes before the system's.
    """
    for needed in (_DRIVER, _LOADER):
        if not needed.exists():
            missing(f"no software Vulkan: {needed} is not there (on Debian: chromium)")
    link = folder / _LOADER.name
    if not link.exists():
        link.symlink_to(_LOADER)
    return {"VK_ICD_FILENAMES": str(_DRIVER), "LD_LIBRARY_PATH": str(folder)}


def no_driver(folder: Path) -> dict[str, str]:
    """Environment variables by which another process has a Vulkan loader and no driver.

    As on most desktops with libvulkan1, and on servers. folder: as for `software_vulkan`.
    """
    nothing = str(folder / "no_driver.json")
    found = software_vulkan(folder)
    return found | {"VK_ICD_FILENAMES": nothing, "VK_DRIVER_FILES": nothing}


def no_loader(folder: Path) -> dict[str, str]:
    """Environment variables by which another process has no Vulkan at all, installed or not."""
    # The first of this name that is found counts, and this one is no library.
    (folder / _LOADER.name).touch()
    return {"VK_ICD_FILENAMES": "", "VK_DRIVER_FILES": "", "LD_LIBRARY_PATH": str(folder)}

"""Why a camera does not open, and what to do about it.

A camera's number or device path enters; a sentence leaves. It asks the operating system, because
OpenCV only says that it did not open.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
from pathlib import Path

from .stills import natural

_QUERYCAP = 0x80685600  # VIDIOC_QUERYCAP, _IOR('V', 0, struct v4l2_capability of 104 bytes)
_CAPTURES = 0x1 | 0x1000  # V4L2_CAP_VIDEO_CAPTURE, and the same for several planes
_OWN_CAPABILITIES = 0x80000000  # V4L2_CAP_DEVICE_CAPS: the node states its own


def camera_problem(target: int | str) -> str:
    """What is found in place of the camera, and the remedy."""
    if not sys.platform.startswith("linux"):
        return _elsewhere(target)
    device = Path(f"/dev/video{target}") if isinstance(target, int) else Path(target)
    if not device.exists():
        return _missing(target, device)
    if not stat.S_ISCHR(device.stat().st_mode):
        return f"{device} is not a device; give a camera's number or its /dev/video* path"
    if not os.access(device, os.R_OK | os.W_OK):
        return _not_allowed(device)
    try:
        handle = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        return _refused(device, error)
    try:
        return _as_it_says(device, handle)
    finally:
        os.close(handle)


def is_there(target: int | str) -> bool:
    """Whether the camera's device node exists; True if there are no such nodes."""
    if not sys.platform.startswith("linux"):
        return True
    return Path(f"/dev/video{target}" if isinstance(target, int) else target).exists()


def is_no_camera(device: Path) -> bool:
    """Whether a device opens but does not behave like a camera; False if that is unknown."""
    if not sys.platform.startswith("linux"):
        return False
    if not stat.S_ISCHR(device.stat().st_mode):
        return True
    try:
        handle = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return _query(handle)[0] is None
    finally:
        os.close(handle)


def _missing(target: int | str, device: Path) -> str:
    number = f"{target} " if isinstance(target, int) else ""
    others = _capturing()
    if others:
        return f"there is no camera {number}({device}); found {', '.join(others)}"
    return (
        f"there is no camera {number}({device}): no camera is connected. Plug one in; in a "
        "container, pass it in (--device /dev/video0); or try --source sample"
    )


def _not_allowed(device: Path) -> str:
    try:
        import grp

        group = grp.getgrgid(device.stat().st_gid).gr_name
    except (ImportError, KeyError):
        group = "video"
    if group == "root":
        return f"permission denied for {device}. Allow it: sudo chmod a+rw {device}"
    return (
        f"permission denied for {device}. Join its group, then log in again: "
        f"sudo usermod -aG {group} $USER"
    )


def _refused(device: Path, error: OSError) -> str:
    if error.errno == errno.EBUSY:
        return _busy(device)
    if error.errno in (errno.ENODEV, errno.ENXIO):
        return (
            f"{device} exists, but no camera is connected to it ({error.strerror}). Plug it in "
            "again"
        )
    if error.errno in (errno.EPERM, errno.EACCES):
        return (
            f"the system denied access to {device} ({error.strerror}). In a container, pass it in: "
            f"--device {device}"
        )
    return f"{device} cannot be opened: {error.strerror}. Plug the camera in again"


def _as_it_says(device: Path, handle: int) -> str:
    """For a node that opens: whether it is a camera, and who uses it."""
    capabilities, card = _query(handle)
    if capabilities is None:
        return f"{device} is not a camera: it does not support Video4Linux. {_instead(device)}"
    if not capabilities & _CAPTURES:
        return f"{device} ({card}) is not a capture device. {_instead(device)}"
    if _holders(device):
        return _busy(device)
    return (
        f"{device} ({card}) opens, but delivers no frames; another program may be using it. Close "
        "video calls and browsers, or plug the camera in again"
    )


def _busy(device: Path) -> str:
    holders = _holders(device)
    by = f"in use by {', '.join(holders[:3])}" if holders else "in use by another program"
    return f"{device} is busy: {by}. Close it, then try again"


def _instead(device: Path) -> str:
    others = [text for text in _capturing() if not text.startswith(f"{device.name} ")]
    return f"Cameras here: {', '.join(others)}" if others else "No camera was found here"


def _query(handle: int) -> tuple[int | None, str]:
    """(capabilities, name) of an opened node; (None, "") if it is not a video device."""
    import fcntl

    answer = bytearray(104)
    try:
        fcntl.ioctl(handle, _QUERYCAP, answer)
    except OSError:
        return None, ""
    card = bytes(answer[16:48]).split(b"\0")[0].decode("utf-8", "replace")
    every, own = struct.unpack_from("=II", answer, 84)
    return (own if every & _OWN_CAPABILITIES else every), card


def _capturing() -> list[str]:
    """`video0 (its name)` for every node that captures pictures, or that cannot be queried."""
    found = []
    for device in sorted(Path("/dev").glob("video*"), key=lambda p: natural(p.name)):
        try:
            handle = os.open(device, os.O_RDWR | os.O_NONBLOCK)
        except OSError:
            found.append(device.name)
            continue
        try:
            capabilities, card = _query(handle)
        finally:
            os.close(handle)
        if capabilities is not None and capabilities & _CAPTURES:
            found.append(f"{device.name} ({card})")
    return found


def _holders(device: Path) -> list[str]:
    """`name (process 123)` of every other process that has the device open, as far as visible."""
    target, holders = str(device.resolve()), []
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            if any(os.readlink(f) == target for f in (folder / "fd").iterdir()):
                name = (folder / "comm").read_text().strip()
                holders.append(f"{name} (process {folder.name})")
        except OSError:
            continue  # another user's, or already gone
    return holders


def _elsewhere(target: int | str) -> str:
    allow = (
        "System Settings > Privacy & Security > Camera must allow this terminal"
        if sys.platform == "darwin"
        else "Settings > Privacy > Camera must allow desktop apps"
    )
    return (
        f"cannot open camera {target}: it does not exist, another program is using it, or access "
        f"is not allowed. Close video calls; {allow}; or try another camera number"
    )

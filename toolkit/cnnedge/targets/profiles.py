"""Which device a word of --device means.

A name, a path, user@host or adb:SERIAL enters; a profile and the name for results leave.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import SpecError
from ..specs import DeviceProfile, parse_device, shipped
from ..specs.limits import closest

ADB = "adb:"


@dataclass(frozen=True, kw_only=True)
class Named:
    """A profile with its name. text: its YAML; for an address, that of the kind of device."""

    name: str
    profile: DeviceProfile
    text: str
    own: bool = False


def user_folder() -> Path:
    """Where profiles of the user's own are: cnnedge/devices in the configuration folder."""
    if "XDG_CONFIG_HOME" in os.environ:
        base = Path(os.environ["XDG_CONFIG_HOME"])
    elif sys.platform == "darwin":
        base = Path.home() / "Library/Application Support"
    else:
        base = Path.home() / ".config"
    return base / "cnnedge" / "devices"


def own_names() -> list[str]:
    """The names of the user's own profiles."""
    return sorted(path.stem for path in user_folder().glob("*.yaml"))


def all_names() -> list[str]:
    """Shipped and own, sorted."""
    return sorted({*shipped.names("devices"), *own_names()})


def find(word: str) -> Named:
    """The device that `word` means. Raises SpecError.

    The user's own profile comes before a shipped one of the same name: to give `pi4` an address,
    one copies it there.
    """
    if word.startswith(ADB):
        serial = word[len(ADB) :]
        return _addressed("android_phone", word, serial)
    if "@" in word and "/" not in word:
        return _addressed("linux_board", word, word)
    if shipped.is_path(word):
        return _read(Path(word).stem, word)
    if word in own_names():
        return dataclasses.replace(_read(word, str(user_folder() / f"{word}.yaml")), own=True)
    if word not in shipped.names("devices"):
        names = all_names()
        raise SpecError(
            f"there is no device '{word}'.{closest(word, names)} Known: {', '.join(names)}. "
            f"A board needs no profile as user@host, a phone as {ADB}SERIAL; a profile of your own "
            f"goes to {user_folder()}/{word}.yaml"
        )
    return _read(word, word)


def _addressed(kind: str, word: str, address: str) -> Named:
    """A device of a shipped kind at an address of its own."""
    found = _read(word, kind)
    profile = dataclasses.replace(found.profile, address=address)
    return dataclasses.replace(found, profile=profile)


def _read(name: str, source: str) -> Named:
    text, place = shipped.read("devices", source)
    return Named(name=name, profile=parse_device(text, place), text=text)

"""The pictures that are being shot: a folder for each class, as `cnnedge train` reads them.

Names and JPEG files enter, checked; they lie in DIR/CLASS/*.jpg, whole or not at all. What is
deleted goes to DIR/.deleted: a finger slips more easily than pictures are shot again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.ties import ID, burst_name, burst_of
from ..errors import CnnedgeError, DataError
from ..files import explained, write_bytes
from ..pictures import below, entries, is_picture, natural_key, read_picture

MOST_CLASSES = 200
MOST_PICTURES = 20_000
MOST_NAME = 60
MOST_JPEG_BYTES = 8 * 2**20
MOST_IN_A_BURST = 1_000
DELETED = ".deleted"
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, kw_only=True)
class AlbumClass:
    """A class. pictures: their paths below its folder, with / between, in natural order."""

    name: str
    pictures: tuple[str, ...]

    @property
    def bursts(self) -> int:
        """How many bursts there are; a picture of none counts as one."""
        found = [burst_of(name) for name in self.pictures]
        return len({burst for burst in found if burst}) + sum(burst is None for burst in found)

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "pictures": list(self.pictures), "bursts": self.bursts}


class Album:
    """The folder of all classes. Methods raise CnnedgeError with a line for who holds the phone."""

    def __init__(self, root: Path) -> None:
        """Makes the folder where there is none. Raises CnnedgeError for one laid out otherwise."""
        self.root = root
        with explained(root):
            root.mkdir(parents=True, exist_ok=True)
        for folder in map(Path, entries(root).folders):
            if entries(folder).folders and not entries(folder).files:
                raise CnnedgeError(
                    f"{folder}: holds folders and no pictures; cnnedge teach works on a folder "
                    "with one folder per class, and pictures right in those. Name another folder"
                )

    def classes(self) -> list[AlbumClass]:
        """All classes, in natural order; read anew at each call."""
        return [
            AlbumClass(
                name=unicodedata.normalize("NFC", Path(folder).name),
                pictures=tuple(
                    os.path.relpath(file, folder).replace(os.sep, "/")
                    for file in below(Path(folder)).files
                    if is_picture(file)
                ),
            )
            for folder in sorted(self._folders().values(), key=lambda f: natural_key(f.name))
        ]

    def make(self, name: str) -> str:
        """A new class without pictures; its name as it was taken."""
        name = self._new_name(name)
        if len(self._folders()) >= MOST_CLASSES:
            raise CnnedgeError(f"there are {MOST_CLASSES} classes, and more are not taught here")
        with explained(self.root / name):
            (self.root / name).mkdir()
        return name

    def rename(self, old: str, new: str) -> str:
        """Gives a class another name, in one step."""
        folder = self._folder(old)
        new = self._new_name(new, besides=folder.name)
        with explained(self.root / new):
            folder.rename(self.root / new)
        return new

    def remove(self, name: str) -> None:
        """Moves a class with all its pictures to DIR/.deleted."""
        folder = self._folder(name)
        self._set_aside(folder, folder.name)

    def remove_pictures(self, name: str, pictures: Sequence[str]) -> None:
        """Moves pictures to DIR/.deleted; those that are gone already are passed over."""
        folder = self._folder(name)
        for picture in pictures:
            with contextlib.suppress(FileNotFoundError):
                path = self.picture(name, picture)
                self._set_aside(path, f"{folder.name} {path.name}")

    def add(self, name: str, burst: str, number: int, jpeg: bytes) -> str:
        """A picture of a burst, whole on the disk when this returns; its file name.

        One that is there already stays: it was sent again because the answer got lost.
        """
        folder = self._folder(name)
        if not ID.fullmatch(burst) or not 0 <= number < MOST_IN_A_BURST:
            raise CnnedgeError(
                f"a burst has a name of 8 to 32 letters, and {MOST_IN_A_BURST} shots"
            )
        path = folder / burst_name(burst, number)
        if path.exists():
            return path.name
        if not jpeg.startswith(_JPEG):
            raise CnnedgeError("this is no JPEG file")
        try:
            read_picture(jpeg)
        except DataError as error:
            raise CnnedgeError(f"the picture is damaged: {error}") from None
        write_bytes(path, jpeg)
        return path.name

    def picture(self, name: str, picture: str) -> Path:
        """The path of a picture of a class. Raises FileNotFoundError for what is none."""
        folder = self._folders().get(name)
        if folder is None or not picture or "\0" in picture:
            raise FileNotFoundError(picture)
        # Of the names that are there, so that no text from elsewhere becomes a path.
        for file in below(folder).files:
            if os.path.relpath(file, folder).replace(os.sep, "/") == picture and is_picture(file):
                return Path(file)
        raise FileNotFoundError(picture)

    def _folders(self) -> dict[str, Path]:
        """The folders of the classes by their names; hidden ones are none."""
        try:
            found = entries(self.root).folders
        except OSError as error:
            raise CnnedgeError(
                f"{self.root}: cannot be listed: {error.strerror or error}"
            ) from None
        return {unicodedata.normalize("NFC", Path(f).name): Path(f) for f in found}

    def _folder(self, name: str) -> Path:
        found = self._folders().get(unicodedata.normalize("NFC", name))
        if found is None:
            raise CnnedgeError(f"there is no class '{name[:MOST_NAME]}' any more")
        return found

    def _new_name(self, text: str, besides: str | None = None) -> str:
        name = unicodedata.normalize("NFC", " ".join(text.split()))
        if problem := _unfit(name):
            raise CnnedgeError(f"a class cannot be called '{name[:MOST_NAME]}': {problem}")
        taken = {each.casefold(): each for each in self._folders() if each != besides}
        if name.casefold() in taken or (name != besides and (self.root / name).exists()):
            raise CnnedgeError(f"there is a class '{taken.get(name.casefold(), name)}' already")
        return name

    def _set_aside(self, path: Path, name: str) -> None:
        aside = self.root / DELETED
        with explained(aside):
            aside.mkdir(exist_ok=True)
            path.rename(aside / f"{secrets.token_hex(4)} {name}")


def _unfit(name: str) -> str:
    """Why a name cannot be a folder's on every system; empty where it can."""
    if not name:
        return "it is empty"
    if len(name) > MOST_NAME or len(name.encode("utf-8", "replace")) > 200:
        return f"it is longer than {MOST_NAME} letters"
    if any(c in '/\\:*?"|' or unicodedata.category(c)[0] == "C" for c in name):
        return 'it holds one of / \\ : * ? " | or an unprintable letter, and it names a folder too'
    if name.startswith(".") or name.endswith("."):
        return "it begins or ends with a dot, and it names a folder too"
    return ""

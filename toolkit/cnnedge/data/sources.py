"""Which loader reads a source: by its scheme, or by what lies at the path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .. import given_files
from ..errors import DataError
from ..pictures import is_picture
from ..specs.data import Splits
from ..specs.signals import SignalData, spoken
from .arrays import embedded_listing, idx_listing, npz_listing
from .dataset import Dataset, assemble
from .folders import folder_listing
from .idx import is_idx_file, is_idx_folder
from .named import keras_listing, sklearn_listing, tfds_listing
from .signals import no_pictures, synthetic_listing, table_listing
from .store import Listing, Progress
from .tables import csv_listing

_SCHEMES = {
    "embedded": embedded_listing,
    "keras": keras_listing,
    "sklearn": sklearn_listing,
    "tfds": tfds_listing,
    "synthetic": no_pictures,
}
_ALLOWED_SIGNALS = (
    "allowed: a .csv file with a signal in each row, a .csv file with one long recording "
    "(data.signals.window), synthetic:chromatogram"
)
_ALLOWED = (
    "allowed: a folder with one folder per class, a folder with IDX files, an .npz or .csv file, "
    "embedded:fashion_mnist, keras:mnist|fashion_mnist|cifar10, sklearn:digits, tfds:NAME"
)


def load_dataset(
    source: str,
    *,
    labels: tuple[str, ...] | None = None,
    splits: Splits | None = Splits(),  # noqa: B008 - frozen
    seed: int = 0,
    max_unreadable: float = 0.05,
    together: bool = True,
    signals: SignalData | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Finds, reads, checks and splits a labelled set of pictures.

    source: an image folder, an IDX folder or images file, an .npz or .csv file,
    `embedded:fashion_mnist`, `keras:NAME`, `sklearn:digits` or `tfds:NAME`. labels: names of
    numbered classes. splits, seed: see `splits`; splits None: unsplit, all pictures to be judged.
    max_unreadable: the fraction of pictures that may be unreadable. together: bursts and near
    duplicates among files lie on one side of the split (`ties`). signals: the samples are
    one-dimensional signals, of a .csv file that is read so, or `synthetic:chromatogram`. progress:
    called with (pictures read, pictures in all), from this thread.

    Every picture is decoded once, for its content hash. Raises DataError for anything a person
    can mend in the data, MissingExtraError when keras:, sklearn: or tfds: lacks its package.
    """
    if signals is not None:
        listing = _signals(source, labels, signals)
        try:
            found = assemble(
                listing,
                splits=splits,
                seed=seed,
                max_unreadable=0,
                together=True,
                progress=progress,
            )
        except DataError as error:
            raise DataError(spoken(str(error), "signal")) from None
        return replace(found, warnings=tuple(spoken(text, "signal") for text in found.warnings))
    return assemble(
        _listing(source, labels),
        splits=splits,
        seed=seed,
        max_unreadable=max_unreadable,
        together=together,
        progress=progress,
    )


def _signals(source: str, labels: tuple[str, ...] | None, how: SignalData) -> Listing:
    scheme, colon, name = source.partition(":")
    if colon and scheme == "synthetic":
        return synthetic_listing(name)
    if colon and scheme in _SCHEMES:
        raise DataError(f"{source}: these are pictures, but the model takes signals")
    try:
        path = given_files.expanded(source).resolve()
        is_file = path.is_file()
    except (OSError, RuntimeError, ValueError):
        raise DataError(f"{source!r:.200}: cannot be a path; {_ALLOWED_SIGNALS}") from None
    if not is_file or path.suffix.lower() not in (".csv", ".tsv"):
        what = "the model takes signals, and this is none of their sources"
        raise DataError(
            f"{source}: {what if path.exists() else 'no such file'}; {_ALLOWED_SIGNALS}"
        )
    return table_listing(path, labels, how)


def _listing(source: str, labels: tuple[str, ...] | None) -> Listing:
    if not source.strip():
        raise DataError(f"the source is empty; {_ALLOWED}")
    scheme, colon, name = source.partition(":")
    if colon and scheme in _SCHEMES:
        return _SCHEMES[scheme](name, labels)
    try:
        path = given_files.expanded(source).resolve()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{source!r:.200}: cannot be a path: {why}; {_ALLOWED}") from None
    if is_folder:
        return idx_listing(path, labels) if _holds_idx(path) else folder_listing(path, labels)
    if found := given_files.kind(path):
        raise DataError(f"{path}: {given_files.no_file(found)}; {_ALLOWED}")
    if not is_file:
        raise DataError(
            f"{source}: there is no such file or folder; {_ALLOWED}. Name yours: --data DIR"
        )
    if path.suffix.lower() == ".npz":
        return npz_listing(path, labels)
    if path.suffix.lower() in (".csv", ".tsv"):
        return csv_listing(path, labels)
    if is_idx_file(path):
        return idx_listing(path, labels)
    raise DataError(f"{path}: {_why_not(path)}; {_ALLOWED}")


def _holds_idx(path: Path) -> bool:
    try:
        return is_idx_folder(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be listed: {error.strerror or error}") from None


def _why_not(path: Path) -> str:
    suffix = path.suffix.lower()
    if is_picture(path):
        return "this is one picture; give the folder above its class folder"
    if suffix in (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".xz", ".bz2"):
        return "this is an archive; unpack it and give the folder"
    return f"found a '{suffix}' file" if suffix else "found a file without a suffix"

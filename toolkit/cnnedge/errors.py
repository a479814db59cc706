"""The one exception tree.

Every problem a user can fix is a CnnedgeError whose text says what was found where, what is
allowed and what to do next. The command line catches only CnnedgeError and exits with its
`exit_code`; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations


class CnnedgeError(Exception):
    """A problem that the user can fix: one clear message, exit code 1."""

    exit_code = 1


class SpecError(CnnedgeError):
    """A recipe, model definition or device profile says something that is not allowed."""


class WeightsError(CnnedgeError):
    """Pretrained weights are missing, damaged, or of another network."""


class DataError(CnnedgeError):
    """The pictures or labels cannot be used as they are."""


class ModelError(CnnedgeError):
    """A model file cannot be read, or does not fit what is asked of it."""


class SourceError(CnnedgeError):
    """A camera, video, stream or picture source cannot be opened or read."""


class DeviceError(CnnedgeError):
    """A device cannot be reached, lacks something, or stopped answering."""


class RunFolderError(CnnedgeError):
    """A run folder is missing something, or would be overwritten."""


class MissingExtraError(CnnedgeError):
    """A command needs packages that are missing; the text holds the line that installs them."""


class OptionError(CnnedgeError):
    """Options contradict each other, or what they are used on: exit code 2."""

    exit_code = 2


class GateError(CnnedgeError):
    """A gate was not met (accuracy drop, regression, delegate refused): exit code 3."""

    exit_code = 3


def one_line(text: str, most: int | None = None) -> str:
    """A text fit for a line of a message, whoever wrote it: control characters and bytes that are
    no text are escaped, and what is longer than `most` characters is cut."""
    cut = text if most is None or len(text) <= most else text[:most] + "..."
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)

"""Two benchmark runs against each other: what became slower, and how sure that is."""

from .markdown import as_markdown
from .reading import read_run
from .session import KEYS, compare

__all__ = ["KEYS", "as_markdown", "compare", "read_run"]

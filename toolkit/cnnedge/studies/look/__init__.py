"""What a model sees in one picture, as three figures.

A model, or a run, and a picture enter; numbers leave (`measure`), and PNG files of them
(`save_figures`).
"""

from .figures import save_figures
from .seeing import Evidence, Seen, see

__all__ = ["Evidence", "Seen", "save_figures", "see"]

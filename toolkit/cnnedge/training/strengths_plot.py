"""curves.png of a linear classifier: there are no epochs, but penalties to choose from."""

from __future__ import annotations

import os
from collections.abc import Mapping

from matplotlib.ticker import MaxNLocator

from .canvas import GRID, INK, MUTED, new_figure, write_png


def save_strengths(
    path: str | os.PathLike[str], scores: Mapping[float, float], chosen: float, kind: str
) -> None:
    """Cross-validated accuracy (fractions) over the inverse penalty C, as a PNG."""
    figure = new_figure(8.6, 4.2)
    axes = figure.add_axes((0.085, 0.14, 0.86, 0.66))
    strengths = sorted(scores)
    values = [100 * scores[c] for c in strengths]
    axes.plot(strengths, values, color="#2f6fb4", marker="o", lw=1.6)
    axes.plot([chosen], [100 * scores[chosen]], marker="o", ms=11, mfc="none", mec=INK, lw=0)
    axes.annotate(
        f"{100 * scores[chosen]:.1f} %",
        (chosen, 100 * scores[chosen]),
        xytext=(0, -20),
        textcoords="offset points",
        ha="center",
        color=INK,
        size=9,
    )
    axes.set_xscale("log")
    low = min(values)
    axes.set_ylim(low - max(1.0, 0.15 * (100 - low)), 100.5)
    axes.grid(color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=MUTED, labelsize=8, length=0)
    axes.set_xlabel("C, the inverse strength of the penalty", color=MUTED, size=9)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_formatter("{x:.0f} %")
    axes.minorticks_off()
    name = {"logistic": "Logistic regression", "svm": "Linear SVM"}.get(kind, kind)
    figure.text(0.085, 0.915, f"{name} on frozen features", size=12, color=INK, weight="bold")
    said = "accuracy in cross-validation on the training pictures; the ringed C was chosen"
    figure.text(0.085, 0.85, said, size=9, color=MUTED)
    write_png(figure, path)

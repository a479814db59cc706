"""Pictures of a training run, as PNG files.

Enter: the history rows, a confusion matrix, augmented pictures. Leave: curves.png, confusion.png
and an augmentation grid, each written beside its name first and then renamed, so that a reader
never meets half a file. Figures are built as objects: no pyplot, no state shared with the caller.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from .canvas import DPI, GRID, INK, MUTED, new_figure, write_png, write_text
from .fonts import FONT, drawable, shorten

HistoryRow = Mapping[str, "float | None"]
Series = tuple[list[float], list[float]]

_TRAIN, _VALIDATION, _ERROR = "#9aa8b8", "#2563eb", "#d9601a"
_HITS = LinearSegmentedColormap.from_list("hits", ["#ffffff", "#bcd3fb", "#2563eb"])
_MISSES = LinearSegmentedColormap.from_list("misses", ["#ffffff", "#f8c9a6", "#d9601a"])
_NUMBERS_UP_TO = 25


def save_curves(path: str | os.PathLike[str], history: Sequence[HistoryRow]) -> None:
    """Accuracy, loss and learning rate over the epochs, as a PNG of 1290 x 960 pixels.

    history: rows with epoch, loss, accuracy, val_loss, val_accuracy (fractions 0..1),
    learning_rate and seconds; a value that is missing, None or not finite is left out. The best
    validation epoch (highest val_accuracy, then lowest val_loss, then the earliest) is marked.
    Raises ValueError for an empty history.
    """
    if not history:
        raise ValueError("the history has no rows; save_curves needs at least one epoch")
    figure = new_figure(8.6, 6.4)
    grid = figure.add_gridspec(
        3, 1, height_ratios=[1, 1, 0.28], hspace=0.16, left=0.085, right=0.86, top=0.84, bottom=0.09
    )
    accuracy, loss, rate = (figure.add_subplot(grid[row]) for row in range(3))
    _panel(accuracy, history, "accuracy", percent=True)
    _panel(loss, history, "loss", percent=False)
    _rate_strip(rate, history)
    best = _best_row(history)
    for axes in (accuracy, loss, rate):
        _epoch_axis(axes, history, labelled=axes is rate)
        if best is not None:
            x = _number(best, "epoch")
            axes.axvline(x, color=_VALIDATION, lw=0.9, ls=(0, (2, 2)), alpha=0.7)
    _mark_stages((accuracy, loss, rate), history)
    if best is not None:
        _mark_best(accuracy, best)
    figure.text(0.085, 0.945, "Training", fontsize=14, weight="bold", color=INK, family=FONT)
    figure.text(0.085, 0.905, _summary(history, best), fontsize=9, color=MUTED, family=FONT)
    write_png(figure, path)


def _mark_stages(panels: Sequence[Axes], history: Sequence[HistoryRow]) -> None:
    """A line where each stage of a transfer begins, and its name above the first panel."""
    names = [str(row.get("stage") or "") for row in history]
    for place, (name, row) in enumerate(zip(names, history, strict=True)):
        if not name or (place and names[place - 1] == name):
            continue
        begin = _number(row, "epoch")
        if place:
            for axes in panels:
                axes.axvline(begin - 0.5, color=MUTED, lw=0.9, alpha=0.6)
        panels[0].annotate(
            name,
            (begin - (0.5 if place else 0), 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -4),
            textcoords="offset points",
            va="top",
            size=9,
            color=MUTED,
        )


def save_confusion(
    path: str | os.PathLike[str], matrix: npt.ArrayLike, labels: Sequence[str]
) -> None:
    """A confusion matrix with the recall of each class, as a PNG.

    matrix: int [n, n], counts, rows the true class and columns the predicted one; labels: n.
    Colour is the share of the row, blue where right and orange where confused, the orange on a
    square-root scale so that rare confusions stay visible. Counts are written up to 25 classes;
    a class without pictures has no recall. Raises ValueError if the shapes do not fit.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    n = len(labels)
    if n == 0 or counts.shape != (n, n):
        raise ValueError(f"expected shape {(n, n)} for {n} labels, found {counts.shape}")
    cell = min(1.0, max(0.24, 6.0 / n)) if n <= _NUMBERS_UP_TO else 0.24
    figure = new_figure(cell * (n + 3), cell * n)
    axes = figure.add_axes((0, 0, 1, 1))
    size = max(6.0, min(9.0, cell * 18))
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    axes.imshow(_confusion_colours(shares), interpolation="nearest")
    if n <= _NUMBERS_UP_TO:
        _write_counts(axes, counts, shares, cell)
    _confusion_labels(axes, labels, size)
    _recall_column(axes, np.diag(counts), totals, size, cell)
    right, total = int(np.trace(counts)), int(counts.sum())
    accuracy = f"{100 * right / total:.2f} % accuracy" if total else "no pictures"
    _above(axes, accuracy, f"{right:,} of {total:,} right; rows: true class, columns: predicted")
    write_png(figure, path, tight=True)


def save_augmentation_grid(
    path: str | os.PathLike[str],
    originals: npt.NDArray[np.uint8],
    augmented: npt.NDArray[np.uint8],
    labels: Sequence[str],
) -> None:
    """What augmentation does: per row an original, then its random versions, as a PNG.

    originals: uint8 [n, h, w, c]; augmented: uint8 [n, k, h, w, c]; c is 1 (grey) or 3 (RGB);
    labels: n, written at the left. Raises ValueError if the shapes do not fit.
    """
    n, height, width, channels = _grid_shape(originals, augmented, labels)
    versions = augmented.shape[1]
    tile_w = 0.9 * min(1.0, width / height)
    tile_h = tile_w * height / width
    gap, wide_gap = 0.07, 0.24
    columns = [0.0, *(tile_w + wide_gap + i * (tile_w + gap) for i in range(versions))]
    total_w, total_h = columns[-1] + tile_w, n * (tile_h + gap) - gap
    figure = new_figure(total_w, total_h)
    axes = figure.add_axes((0, 0, 1, 1))
    smooth = "nearest" if height <= tile_h * DPI else "antialiased"
    names = drawable(labels)
    for row in range(n):
        top = row * (tile_h + gap)
        for left, picture in zip(columns, [originals[row], *augmented[row]], strict=True):
            shown = np.repeat(picture, 3, axis=2) if channels == 1 else picture
            extent = (left, left + tile_w, top + tile_h, top)
            axes.imshow(shown, extent=extent, interpolation=smooth)
        centred = {"ha": "right", "va": "center"}
        write_text(axes, -0.12, top + tile_h / 2, shorten(names[row], 30), style=centred)
    axes.set(xlim=(0, total_w), ylim=(total_h, 0))
    axes.set_axis_off()
    header = {"va": "bottom", "size": 8, "color": MUTED}
    write_text(axes, 0, -0.08, "original", style=header)
    if versions:
        write_text(axes, columns[1], -0.08, "as training sees it, drawn at random", style=header)
    write_png(figure, path, tight=True)


def _grid_shape(
    originals: npt.NDArray[np.uint8], augmented: npt.NDArray[np.uint8], labels: Sequence[str]
) -> tuple[int, int, int, int]:
    fits = (
        originals.ndim == 4
        and augmented.ndim == 5
        and originals.shape[3] in (1, 3)
        and 0 not in originals.shape
        and (augmented.shape[0], *augmented.shape[2:]) == originals.shape
        and len(labels) == originals.shape[0]
    )
    if not fits:
        raise ValueError(
            f"expected [n, h, w, 1 or 3], [n, k, h, w, c] and n labels, found {originals.shape}, "
            f"{augmented.shape} and {len(labels)} labels"
        )
    n, height, width, channels = originals.shape
    return n, height, width, channels


def _panel(axes: Axes, history: Sequence[HistoryRow], key: str, *, percent: bool) -> None:
    """Training and validation values of one kind, each line named at its end."""
    scale = 100.0 if percent else 1.0
    ends: list[tuple[float, str, str]] = []
    for column, name, colour, width in (
        (key, "training", _TRAIN, 1.5),
        (f"val_{key}", "validation", _VALIDATION, 1.9),
    ):
        epochs, values = _series(history, column)
        if not epochs:
            continue
        values = [scale * value for value in values]
        dots = "o" if len(epochs) == 1 or len(epochs) < len(history) else None
        axes.plot(epochs, values, color=colour, lw=width, marker=dots, ms=3.5, zorder=3)
        shown = f"{values[-1]:.1f} %" if percent else f"{values[-1]:.3g}"
        ends.append((values[-1], f"{name} {shown}", MUTED if name == "training" else colour))
    title = "accuracy, %" if percent else "loss"
    axes.text(0, 1.03, title, transform=axes.transAxes, color=INK, size=9, family=FONT)
    axes.margins(y=0.1)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    _name_ends(axes, ends)


def _name_ends(axes: Axes, ends: list[tuple[float, str, str]]) -> None:
    """Names at the right of the lines, moved apart if they would touch."""
    low, high = axes.get_ylim()
    ends = sorted(ends)
    heights = [(value - low) / (high - low) for value, _, _ in ends]
    least = 0.095
    if len(heights) == 2 and heights[1] - heights[0] < least:
        middle = sum(heights) / 2
        heights = [middle - least / 2, middle + least / 2]
    for height, (_, text, colour) in zip(heights, ends, strict=True):
        axes.text(
            1.012,
            height,
            text,
            transform=axes.transAxes,
            color=colour,
            size=8,
            va="center",
            family=FONT,
        )


def _rate_strip(axes: Axes, history: Sequence[HistoryRow]) -> None:
    epochs, rates = _series(history, "learning_rate")
    axes.text(0, 1.09, "learning rate", transform=axes.transAxes, color=INK, size=9, family=FONT)
    if not epochs:
        axes.set_yticks([])
        return
    axes.plot(
        epochs,
        rates,
        color=MUTED,
        lw=1.3,
        drawstyle="steps-mid",
        marker="o" if len(epochs) == 1 else None,
        ms=3.5,
    )
    if min(rates) == max(rates):
        axes.yaxis.set_major_locator(FixedLocator(rates[:1]))
    elif min(rates) > 0 and max(rates) / min(rates) > 4:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=4))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _rate(value)))
    axes.margins(y=0.25)
    axes.annotate(
        _rate(rates[-1]),
        (1.012, rates[-1]),
        xycoords=axes.get_yaxis_transform(),
        size=8,
        va="center",
        family=FONT,
        color=MUTED,
        annotation_clip=False,
    )


def _rate(value: float) -> str:
    """0.001 as 1e-3: the notation in which learning rates are set."""
    if value == 0 or value >= 0.01:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _epoch_axis(axes: Axes, history: Sequence[HistoryRow], *, labelled: bool) -> None:
    epochs = [_number(row, "epoch") for row in history]
    first, last = min(epochs), max(epochs)
    margin = 0.5 if first == last else 0.015 * (last - first)
    axes.set_xlim(first - margin, last + margin)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c3cad3")
    axes.grid(True, color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8, labelcolor=MUTED, labelbottom=labelled, pad=5)
    if labelled:
        axes.set_xlabel("epoch", color=MUTED, size=8, family=FONT)


def _mark_best(axes: Axes, best: HistoryRow) -> None:
    epoch, value = _number(best, "epoch"), 100 * _number(best, "val_accuracy")
    axes.plot([epoch], [value], "o", ms=6.5, color=_VALIDATION, mec="white", mew=1.4, zorder=4)
    low, high = axes.get_xlim()
    share = (epoch - low) / (high - low)
    # Above the frame no line can cross it.
    axes.annotate(
        f"best: {value:.2f} % at epoch {epoch:g}",
        (epoch, 1.03),
        xycoords=axes.get_xaxis_transform(),
        color=_VALIDATION,
        size=8.5,
        weight="bold",
        ha="left" if share < 0.35 else "right" if share > 0.65 else "center",
        family=FONT,
        xytext=(70 if share < 0.15 else 0, 0),
        textcoords="offset points",
        annotation_clip=False,
    )


def _best_row(history: Sequence[HistoryRow]) -> HistoryRow | None:
    scored = [row for row in history if _finite(row.get("val_accuracy"))]
    if not scored:
        return None
    return min(scored, key=lambda row: (-_number(row, "val_accuracy"), _loss_of(row)))


def _loss_of(row: HistoryRow) -> float:
    return _number(row, "val_loss") if _finite(row.get("val_loss")) else math.inf


def _summary(history: Sequence[HistoryRow], best: HistoryRow | None) -> str:
    count = len(history)
    parts = [f"{count} epoch{'' if count == 1 else 's'}"]
    seconds = sum(_series(history, "seconds")[1])
    if seconds:
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        short = f"{minutes} min {rest} s" if minutes else f"{rest} s"
        parts.append(f"{hours} h {minutes} min" if hours else short)
    if best is None:
        parts.append("no epoch was validated")
    return ", ".join(parts)


def _series(history: Sequence[HistoryRow], key: str) -> Series:
    kept = [row for row in history if _finite(row.get(key))]
    return [_number(row, "epoch") for row in kept], [_number(row, key) for row in kept]


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(float(value))


def _number(row: HistoryRow, key: str) -> float:
    value = row[key]
    assert value is not None
    return float(value)


def _confusion_colours(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    strength = np.sqrt(shares)
    diagonal = np.eye(len(shares), dtype=bool)[:, :, None]
    colours: npt.NDArray[np.float64] = np.where(diagonal, _HITS(shares), _MISSES(strength))
    return colours


def _write_counts(
    axes: Axes, counts: npt.NDArray[np.int64], shares: npt.NDArray[np.float64], cell: float
) -> None:
    digits = max(2, len(_compact(int(counts.max()))))
    size = min(10.0, cell * 72 * 0.82 / (0.64 * digits))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            strength = shares[row, column] if row == column else shares[row, column] ** 0.5
            colour = "white" if strength > 0.62 else INK
            style = {"ha": "center", "va": "center", "size": size, "color": colour}
            write_text(axes, column, row, _compact(int(count)), style=style)


def _compact(count: int) -> str:
    return str(count) if count < 100_000 else f"{count / 1000:.0f}k"


def _confusion_labels(axes: Axes, labels: Sequence[str], size: float) -> None:
    n = len(labels)
    names = [shorten(name, 30) for name in drawable(labels)]
    axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.hlines(np.arange(n + 1) - 0.5, -0.5, n - 0.5, color=GRID, lw=0.6, clip_on=False)
    axes.vlines(np.arange(n + 1) - 0.5, -0.5, n - 0.5, color=GRID, lw=0.6, clip_on=False)
    turned = n > _NUMBERS_UP_TO
    for index, name in enumerate(names):
        row_style = {"ha": "right", "va": "center", "size": size}
        write_text(axes, -0.5, index, name, offset=(-4, 0), style=row_style)
        if turned:
            style = {"ha": "center", "va": "top", "size": size, "rotation": 90}
        else:
            style = {"ha": "right", "va": "center", "size": size, "rotation": 45}
            style["rotation_mode"] = "anchor"
        write_text(axes, index, n - 0.5, name, offset=(0, -5 if turned else -7), style=style)


def _recall_column(
    axes: Axes,
    hits: npt.NDArray[np.int64],
    totals: npt.NDArray[np.int64],
    size: float,
    cell: float,
) -> None:
    """Bars from no recall to full recall, right of the matrix, each with its number."""
    start, full = len(hits) - 0.5 + 0.12 / cell, 0.8 / cell
    thick = min(0.28, 0.14 / cell)
    for row, (hit, total) in enumerate(zip(hits, totals, strict=True)):
        share = hit / total if total else 0.0
        for width, colour in ((full, GRID), (full * share, _VALIDATION)):
            corner = (start, row - thick / 2)
            axes.add_patch(Rectangle(corner, width, thick, fc=colour, lw=0, clip_on=False))
        said = f"{100 * share:.1f} %" if total else "no pictures"
        write_text(
            axes, start + full, row, said, offset=(5, 0), style={"va": "center", "size": size}
        )
    header = {"va": "bottom", "size": size, "color": MUTED}
    write_text(axes, start, -0.5, "recall", offset=(0, 4), style=header)


def _above(axes: Axes, title: str, line: str) -> None:
    """The title and a line, above the matrix and flush with its left edge."""
    place = {"ha": "left", "va": "bottom"}
    write_text(axes, -0.5, -0.5, line, offset=(0, 22), style={**place, "size": 8, "color": MUTED})
    bold = {**place, "size": 14, "weight": "bold"}
    write_text(axes, -0.5, -0.5, title, offset=(0, 37), style=bold)

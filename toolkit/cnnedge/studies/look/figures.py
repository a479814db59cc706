"""The three figures of `look`: kernels, layers, evidence. Each is a PNG for a slide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...looking import KERNELS, FeatureMaps, filtered
from ...looking.live import shares
from ...overlay import heated
from ...training.canvas import GRID, INK, MUTED, new_figure, write_png
from ...training.fonts import FONT, drawable, families, shorten
from .seeing import Evidence, Seen

Floats = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]

_COLUMNS = 8
# Inches.
_TILE, _GAP, _LEFT, _TOP = 1.12, 0.1, 1.75, 0.95


def save_figures(folder: Path, seen: Seen) -> list[Path]:
    """Writes kernels.png, layers.png and evidence.png; those that there is something for."""
    written = []
    for name, draw in (("evidence", _evidence), ("layers", _layers), ("kernels", _kernels)):
        figure = draw(seen)
        if figure is not None:
            path = folder / f"{name}.png"
            write_png(figure, path)
            written.append(path)
    return written


def _evidence(seen: Seen) -> Figure | None:
    """The picture, and under a spotlight for each way of asking what speaks for the class."""
    side, gap = 2.9, 0.25
    count = len(seen.evidence) + 1
    width, height = count * (side + gap) + gap, side + 1.75
    figure = new_figure(width, height)
    name = drawable([seen.label])[0]
    _title(
        figure,
        f"What speaks for \u201c{shorten(name, 40)}\u201d",
        f"The model gives it {100 * seen.score:.0f} %. The light falls on what speaks for the "
        "class; the line encloses places above half of the largest value.",
    )
    picture = _rgb(seen.pixels)
    for place, evidence in enumerate((None, *seen.evidence)):
        left = gap + place * (side + gap)
        axes = _axes(figure, (left, 0.62, side, side))
        axes.imshow(picture if evidence is None else _lit(picture, evidence))
        way = "what the model is given" if evidence is None else evidence.way
        high, wide = seen.pixels.shape[:2]
        means = f"{wide} x {high} pixels" if evidence is None else evidence.means
        axes.text(0, 1.02, way, transform=axes.transAxes, size=10, color=INK, family=FONT)
        _below(axes, means)
    return figure


def _below(axes: Axes, text: str) -> None:
    """A line or two of small text under a picture."""
    words, lines = text.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 42:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    style: dict[str, Any] = {"size": 8.5, "color": MUTED, "va": "top", "family": FONT}
    axes.text(0, -0.03, "\n".join(lines), transform=axes.transAxes, **style)


def _lit(picture: npt.NDArray[np.uint8], evidence: Evidence) -> npt.NDArray[np.uint8]:
    high, wide = picture.shape[:2]
    heat = np.asarray(cv2.resize(shares(evidence.heat), (wide, high)), np.float32)
    if evidence.heat.shape == (high, wide):
        # Squares leave steps that are in no picture.
        heat = shares(np.asarray(cv2.GaussianBlur(heat, (0, 0), min(high, wide) / 24), np.float32))
    return heated(picture[:, :, ::-1].copy(), np.clip(heat, 0, 1))[:, :, ::-1]


def _layers(seen: Seen) -> Figure | None:
    """A row a layer: its maps with the largest values."""
    if not seen.layers:
        return None
    rows = len(seen.layers) + 1
    figure, place = _grid(rows)
    _title(
        figure,
        "What each layer makes of the picture",
        "The maps with the largest values of each layer, dark: small, bright: large. They shrink "
        "from layer to layer, and there are more of them.",
    )
    axes = _axes(figure, place(0, 0))
    axes.imshow(_rgb(seen.pixels))
    high, wide = seen.pixels.shape[:2]
    _row_name(axes, "input", f"{wide} x {high}")
    for row, maps in enumerate(seen.layers, 1):
        for column, index in enumerate(_strongest(maps)):
            axes = _axes(figure, place(row, column))
            axes.imshow(maps.values[:, :, index], cmap="magma", interpolation="nearest")
            if column == 0:
                high, wide, channels = maps.values.shape
                size = f"{channels} maps of {wide} x {high}"
                _row_name(axes, shorten(drawable([maps.layer])[0], 24), size)
    return figure


def _kernels(seen: Seen) -> Figure | None:
    """The classical kernels with their pictures, over those that the network learned."""
    learned = seen.filters is not None and seen.first is not None
    figure, place = _grid(4.3 if learned else 2, columns=max(_COLUMNS, len(KERNELS)))
    _title(
        figure,
        "Kernels that people wrote, and those that this network learned"
        if learned
        else "Kernels that people wrote",
        "Each kernel slides over the picture: at every place the products of its numbers and the "
        "pixels under them are added up.",
    )
    for column, (name, kernel) in enumerate(KERNELS.items()):
        axes = _axes(figure, place(0, column))
        axes.imshow(kernel, cmap="RdBu_r", vmin=-abs(kernel).max(), vmax=abs(kernel).max())
        _numbers(axes, kernel)
        axes.text(
            0.5, 1.06, name, transform=axes.transAxes, size=8.5, color=INK, ha="center", family=FONT
        )
        result = _axes(figure, place(1, column))
        # Blurred and sharpened pictures stay pictures; edges are light and dark round grey.
        darkest = 0 if name in ("blur", "sharpen") else -255
        result.imshow(filtered(seen.pixels, kernel), cmap="gray", vmin=darkest, vmax=255)
        if column == 0:
            _row_name(axes, "written by hand", "3 x 3 numbers")
            _row_name(result, "their pictures", "")
    if seen.filters is not None and seen.first is not None:
        _learned(figure, place, seen.filters, seen.first)
    return figure


def _learned(figure: Figure, place: Any, filters: Floats, first: FeatureMaps) -> None:
    for column, index in enumerate(_strongest(first)):
        axes = _axes(figure, place(2.3, column))
        axes.imshow(_filter_picture(filters[index]), interpolation="nearest", cmap="RdBu_r")
        result = _axes(figure, place(3.3, column))
        result.imshow(first.values[:, :, index], cmap="gray", interpolation="nearest")
        if column == 0:
            count, high, wide, channels = filters.shape
            size = f"{count} of {wide} x {high} x {channels}"
            _row_name(axes, f"learned: {shorten(drawable([first.layer])[0], 15)}", size)
            _row_name(result, "their pictures", "the strongest eight")


def _filter_picture(values: Floats) -> Floats:
    """A filter over RGB as colours round grey; over one channel as it is."""
    largest = max(float(np.abs(values).max()), 1e-9)
    if values.shape[2] == 3:
        return np.asarray(0.5 + values / (2 * largest), np.float32)
    return np.asarray(values.mean(axis=2) / largest, np.float32)


def _strongest(maps: FeatureMaps) -> list[int]:
    """The channels whose values vary most over the picture, at most a row of them."""
    spread = maps.values.std(axis=(0, 1))
    return [int(i) for i in np.argsort(-spread, kind="stable")[:_COLUMNS]]


def _grid(rows: float, columns: int = _COLUMNS) -> tuple[Figure, Any]:
    """A figure of tiles, and the box of each: place(row, column)."""
    width = _LEFT + columns * (_TILE + _GAP) + 0.2
    height = _TOP + rows * (_TILE + _GAP) + 0.15

    def place(row: float, column: int) -> Box:
        left = _LEFT + column * (_TILE + _GAP)
        return left, height - _TOP - (row + 1) * _TILE - row * _GAP, _TILE, _TILE

    return new_figure(width, height), place


def _axes(figure: Figure, box: Box) -> Axes:
    """Axes without ticks; box: left, bottom, width, height in inches."""
    width, height = figure.get_size_inches()
    left, bottom, wide, high = box
    axes = figure.add_axes((left / width, bottom / height, wide / width, high / height))
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set(color=GRID, linewidth=0.8)
    return axes


def _row_name(axes: Axes, name: str, detail: str) -> None:
    style: dict[str, Any] = {"transform": axes.transAxes, "ha": "right"}
    axes.text(-0.08, 0.55, name, size=9, color=INK, family=families(name), **style)
    axes.text(-0.08, 0.34, detail, size=8, color=MUTED, family=FONT, **style)


def _numbers(axes: Axes, kernel: Floats) -> None:
    """A kernel's numbers in their places."""
    for row, values in enumerate(kernel):
        for column, value in enumerate(values):
            strong = abs(value) > 0.6 * abs(kernel).max()
            colour = "white" if strong else INK
            text = f"{value:g}" if float(value).is_integer() else f"1/{1 / value:g}"
            axes.text(
                column, row, text, ha="center", va="center", size=7.5, color=colour, family=FONT
            )


def _title(figure: Figure, title: str, detail: str) -> None:
    width, height = figure.get_size_inches()
    left = 0.25 / width
    style: dict[str, Any] = {"parse_math": False}
    figure.text(
        left,
        1 - 0.36 / height,
        title,
        size=14,
        weight="bold",
        color=INK,
        family=families(title),
        **style,
    )
    figure.text(left, 1 - 0.62 / height, detail, size=9, color=MUTED, family=FONT, **style)


def _rgb(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels

"""`cnnedge teach`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from ..child_process import python_words
from ..errors import CnnedgeError
from ..harmless import harmless
from . import output
from .serving_options import Serving, need_packages, serving_options

if TYPE_CHECKING:
    from ..web.description import WebModel
    from ..web.lessons import Lessons

# Hidden, so that it is no class.
_KEPT = ".teach"


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--recipe",
    default="yoga_edge",
    show_default=True,
    help="Take model, weights and resize rule of this recipe.",
)
@serving_options
@output.json_option
@output.verbose_option
def command(
    directory: Path,
    recipe: str,
    serving: Serving,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Teach a model with a phone: print a code; the page behind it shoots pictures into DIR.

    DIR gets a folder for each class. Train, on the page, fits a classifier on frozen features in
    seconds, and its int8 model labels what the camera sees at once. It lies in DIR/.teach/. For the
    best model, fine-tune on the same pictures: cnnedge train RECIPE --data DIR.
    """
    need_packages("teach")
    from ..teaching.recipe import linear_recipe
    from ..web.album import Album
    from ..web.lessons import Lessons
    from .demo_serving import listen

    linear_recipe(recipe)
    root = directory.absolute()
    album, model = Album(root), root / _KEPT / "int8.tflite"
    words = python_words("cnnedge.teaching", recipe, str(root), str(model))
    lessons = Lessons(album, recipe, model, words, output.note)
    models = _earlier(lessons)
    phones = listen(models, serving, lessons)
    result: dict[str, Any] = {
        "classes": [
            {"name": each.name, "pictures": len(each.pictures), "bursts": each.bursts}
            for each in album.classes()
        ],
        "model": str(model) if model.exists() else None,
        "result": lessons.result,
        "phones": [phone.as_json() for phone in phones],
    }
    with output.kept("teach", result):
        if json_file:
            output.write_json(json_file, result)
        if json_file != "-":
            _print(result)
    output.note(f"next: cnnedge train {output.quoted(recipe)} --data {output.quoted(directory)}")


def _earlier(lessons: Lessons) -> list[WebModel]:
    """The model of an earlier visit; none where there is none, or it is of no use any more."""
    from ..web.description import describe

    if not lessons.path.exists():
        return []
    try:
        models = describe([lessons.path])
    except CnnedgeError as error:
        output.note(f"{error}; train again")
        return []
    lessons.remember(models[0].sha256)
    return models


def _print(result: dict[str, Any]) -> None:
    from ..web.album import MOST_NAME

    table = output.table()
    table.add_column("class", style="bold")
    table.add_column("pictures", justify="right")
    table.add_column("bursts", justify="right")
    for each in result["classes"]:
        name = Text(harmless(each["name"], MOST_NAME))
        table.add_row(name, f"{each['pictures']:,}", str(each["bursts"]))
    console = output.results()
    if result["classes"]:
        console.print(table)
    if result["model"]:
        console.print(
            f"model: {output.quoted(Path(result['model']))}", highlight=False, markup=False
        )

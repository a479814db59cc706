"""`cnnedge demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import figures
from ..bundle import Guest
from . import output
from .guest_options import guest_options
from .serving_options import Serving, need_packages, serving_options

if TYPE_CHECKING:
    from ..web.description import WebModel


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL.tflite...")
@serving_options
@click.option(
    "--export",
    "site",
    type=click.Path(path_type=Path),
    metavar="SITE",
    help="Serve nothing: write the page and the models to a folder for any static web host.",
)
@guest_options
@output.json_option
@output.verbose_option
def command(
    models: tuple[str, ...],
    serving: Serving,
    site: Path | None,
    guest: Guest,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Show models on a phone: print a code; the page behind it labels what the phone's camera sees.

    Nothing is installed on the phone: the models run in its browser, and no picture leaves it.
    With several MODELs, the page switches between them.
    """
    if site is not None and serving != Serving():
        raise click.UsageError(
            "--export serves nothing: remove --host, --port, --http and --public"
        )
    described = _described(models, guest)
    for model in described:
        for text in model.assumptions:
            output.note(f"{model.name}: {text}")
    if site is not None:
        from ..web.export import export

        written = export(site, described)
        shown = output.quoted(site)
        output.note(
            f"{written.files} files, {figures.size(written.size_bytes)}, in {shown}. Try it: "
            f"python -m http.server --directory {shown}"
        )
        return
    from .demo_serving import serve

    serve(described, serving, json_file)


def _described(models: tuple[str, ...], guest: Guest) -> list[WebModel]:
    need_packages("demo")
    from ..web.description import describe

    return describe(models, guest)

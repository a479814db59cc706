"""`cnnedge demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from ..bundle import Guest
from ..errors import CnnedgeError, MissingExtraError
from . import output
from .guest_options import guest_options

if TYPE_CHECKING:
    from ..web.description import WebModel

_EXTRA = "pip install 'cnnedge[web]'"


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL.tflite...")
@click.option(
    "--host",
    metavar="ADDRESS",
    help=("Listen only on this address. [default: all addresses of this machine]"),
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help=(
        "Listen on this port; 0: any free port. [default: 8443 or the next free one; 8080 with "
        "--http]"
    ),
)
@click.option(
    "--http",
    "plain",
    is_flag=True,
    help=(
        "Use no https: for a phone on USB (adb), or behind a tunnel. Listens only on this machine."
    ),
)
@click.option(
    "--public",
    metavar="URL",
    help="With --http: the https address at which a tunnel serves the page, such as "
    "https://name.example.com.",
)
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
    host: str | None,
    port: int | None,
    plain: bool,
    public: str | None,
    site: Path | None,
    guest: Guest,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Show models on a phone: print a code; the page behind it labels what the phone's camera sees.

    Nothing is installed on the phone: the models run in its browser, and no picture leaves it.
    With several MODELs, the page switches between them.
    """
    if site is not None and (host, port, public, plain) != (None, None, None, False):
        raise click.UsageError(
            "--export serves nothing: remove --host, --port, --http and --public"
        )
    if public is not None and not plain:
        raise click.UsageError("--public is for --http behind a tunnel; give both")
    public = _public(public)
    described = _described(models, guest)
    for model in described:
        for text in model.assumptions:
            output.note(f"{model.name}: {text}")
    if site is not None:
        from ..web.export import export

        written = export(site, described)
        shown = output.quoted(site)
        output.note(
            f"{written.files} files, {output.size(written.size_bytes)}, in {shown}. Try it: "
            f"python -m http.server --directory {shown}"
        )
        return
    from .demo_serving import Wanted, serve

    serve(described, Wanted(host=host, port=port, plain=plain, public=public), json_file)


def _described(models: tuple[str, ...], guest: Guest) -> list[WebModel]:
    try:
        import aiohttp  # noqa: F401
        import cryptography  # noqa: F401
        import segno  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"cnnedge demo needs packages that are missing ({error}): {_EXTRA}"
        ) from None
    from ..web.description import describe

    return describe(models, guest)


def _public(address: str | None) -> str | None:
    """An address up to and including the host. Raises CnnedgeError."""
    if address is None:
        return None
    parts = urlsplit(address if "://" in address else f"https://{address}")
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.query:
        raise CnnedgeError(
            f"--public {address}: expected the https address of a tunnel, such as "
            "https://name.example.com"
        )
    return f"https://{parts.netloc}"

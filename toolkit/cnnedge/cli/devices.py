"""`cnnedge devices`: the profiles; `check`, `show` and `clean` for one of them."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from .. import figures
from ..errors import CnnedgeError
from ..specs import plain
from . import output
from .options import gathered
from .serving_options import Serving, page_options

if TYPE_CHECKING:
    from ..targets import Finding, Named, Target
    from ..targets.base import Say
    from ..web.hosting import Invitation

_KINDS = {"ssh": "boards over ssh", "adb": "phones over adb", "browser": "browsers"}
_MARKS = {True: ("ok", "green"), False: ("no", "bold red"), None: ("–", "dim")}


@dataclass(frozen=True, kw_only=True)
class Reach:
    """--ssh-config, --benchmark-tool, --python, and where a page is served: how devices are reached
    and measure."""

    ssh_config: Path | None = None
    benchmark_tool: Path | None = None
    python: bool = False
    serving: Serving = Serving()

    def check(self, *devices: str, measures: bool = False) -> None:
        """Refuses what does nothing with these devices. Raises click.UsageError, SpecError.

        measures: whether the command times models, which on a phone a tool does.
        """
        if not self.given:
            return
        from ..targets import find

        named = [find(device) for device in devices]
        where = ", ".join(f"{d.name} is reached by {d.profile.transport}" for d in named)
        where = where or "no --device is named"
        reached = {d.profile.transport for d in named}
        for option, transport in self.given.items():
            if transport not in reached:
                raise click.UsageError(
                    f"{option} is for {_KINDS[transport]}, but {where}; remove it"
                )
            if transport == "adb" and not measures:
                raise click.UsageError(
                    f"{option} is only for measuring, as bench does, and has no effect here; "
                    "remove it"
                )
        if self.benchmark_tool and self.python:
            raise click.UsageError(
                "--benchmark-tool and --python: a phone is measured with only one of them; remove "
                "one"
            )

    @property
    def given(self) -> dict[str, str]:
        """The options that were given, and the transport that each belongs to."""
        all_of_them = {
            "--ssh-config": (self.ssh_config, "ssh"),
            "--benchmark-tool": (self.benchmark_tool, "adb"),
            "--python": (self.python, "adb"),
            "--host": (self.serving.host, "browser"),
            "--port": (self.serving.port, "browser"),
            "--http": (self.serving.plain, "browser"),
            "--public": (self.serving.public, "browser"),
        }
        # A port may be 0, which is no flag that was left out.
        return {
            option: kind
            for option, (value, kind) in all_of_them.items()
            if value is not None and value is not False
        }

    @contextlib.contextmanager
    def opened(self, device: str | Named, say: Say = output.note) -> Iterator[Target]:
        """The device, closed at the end; what closing complains of is said, and spoils nothing.

        Raises SpecError, DeviceError.
        """
        from ..targets import Served, open_device

        target = open_device(
            device,
            ssh_config=self.ssh_config,
            benchmark_tool=self.benchmark_tool,
            python=self.python,
            page=Served(place=self.serving, invite=_invite),
            say=say,
        )
        try:
            yield target
        finally:
            try:
                target.close()
            except CnnedgeError as error:
                output.warn(str(error))


def _invite(invitation: Invitation) -> contextlib.AbstractContextManager[None]:
    from .inviting import invited

    return invited(invitation)


def _reach(**given: Any) -> Reach:
    served = {name: given.pop(name) for name in _SERVED}
    return Reach(**given, serving=Serving(**served))


_SERVED = ("host", "port", "plain", "public")
_OWN = ("ssh_config", "benchmark_tool", "python")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
# --ssh-config, --benchmark-tool, --python and those of a served page, as the keyword `reach`.
target_options = gathered(
    _reach,
    "reach",
    (
        click.option(
            "--ssh-config",
            metavar="FILE",
            type=_FILE,
            help="For boards, use this ssh configuration instead of ~/.ssh/config.",
        ),
        click.option(
            "--benchmark-tool",
            metavar="FILE",
            type=_FILE,
            help="On phones, run this benchmark_model binary (from TensorFlow Lite or LiteRT).",
        ),
        click.option(
            "--python",
            is_flag=True,
            help="On phones, measure with cnnedge's own benchmark in the phone's Python (Termux).",
        ),
        *page_options("For a browser: "),
    ),
    {name: name for name in (*_OWN, *_SERVED)},
)


@click.group(invoke_without_command=True)
@output.json_option
@output.verbose_option
@click.pass_context
def command(ctx: click.Context, json_file: str | None, verbose: bool) -> None:
    """List the device profiles, shipped ones and your own."""
    if ctx.invoked_subcommand is None:
        _list(json_file)


def _list(json_file: str | None) -> None:
    from ..targets import all_names, find, user_folder

    found = {name: find(name) for name in all_names()}
    if json_file:
        profiles = {n: plain(d.profile) | {"own": d.own} for n, d in found.items()}
        output.write_json(json_file, {"devices": profiles})
    if json_file == "-":
        return
    table = output.table()
    for column in ("device", "reached by", "address", "threads", "frame budget", "description"):
        table.add_column(column, no_wrap=column not in ("description", "address"))
    for name, device in found.items():
        profile = device.profile
        table.add_row(
            Text(name, style="bold"),
            profile.transport,
            Text(profile.address or "–", style="" if profile.address else "dim"),
            ", ".join(map(str, profile.threads)),
            figures.milliseconds(profile.frame_budget_ms),
            Text(profile.description + (" (yours)" if device.own else "")),
        )
    output.results().print(table)
    output.note(
        "next: cnnedge devices check NAME. A board does not need a profile (user@host), nor does "
        "a phone (adb:SERIAL). To make your own profile: cnnedge devices show pi4 > "
        f"{user_folder()}/NAME.yaml"
    )


@command.command()
@click.argument("name")
def show(name: str) -> None:
    """Print the YAML of profile NAME, to copy and change."""
    from ..targets import find

    click.echo(find(name).text, nl=False)


@command.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@target_options
@output.json_option
@output.verbose_option
def check(
    names: tuple[str, ...],
    reach: Reach,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Check whether each NAME is ready for measuring: a profile, user@host or adb:SERIAL.

    Checks that it can be reached, has what is needed, and that nothing would spoil a measurement.
    Exits with 1 if something must be fixed, and prints the remedy.
    """
    from ..targets import find

    # All words are understood before the first device is asked.
    named = [find(name) for name in names]
    reach.check(*names, measures=True)
    checked = []
    for device in named:
        with reach.opened(device) as target:
            if json_file != "-":
                output.results().print(
                    Text(f"{device.name}: {device.profile.description}".rstrip(": "), "bold")
                )
            findings = _findings(target, quiet=json_file == "-")
        checked.append(
            {
                "device": device.name,
                "ok": all(f.ok is not False for f in findings),
                "findings": [
                    {"what": f.what, "ok": f.ok, "found": f.found, "remedy": f.remedy}
                    for f in findings
                ],
            }
        )
    if json_file:
        output.write_json(json_file, {"checked": checked})
    bad = [str(c["device"]) for c in checked if not c["ok"]]
    if bad:
        from ..errors import DeviceError

        raise DeviceError(f"{', '.join(bad)}: not ready for measuring; see above")
    threads = sorted({count for device in named for count in device.profile.threads})
    words = " ".join(f"--device {shlex.quote(name)}" for name in names)
    output.note(f"next: cnnedge bench MODEL {words} --threads {','.join(map(str, threads))}")


def _findings(target: Target, *, quiet: bool) -> list[Finding]:
    found = []
    for finding in target.check():
        found.append(finding)
        if not quiet:
            _print(finding)
    return found


def _print(finding: Finding) -> None:
    mark, style = _MARKS[finding.ok]
    line = Text.assemble((f"  {mark:<3}", style), (f"{finding.what:<16}", "bold"), finding.found)
    console = output.results()
    console.print(line, highlight=False, soft_wrap=True)
    if finding.remedy and finding.ok is not True:
        console.print(Text(f"{'':21}→ {finding.remedy}"), highlight=False, soft_wrap=True)


@command.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@target_options
@output.verbose_option
def clean(names: tuple[str, ...], reach: Reach, verbose: bool) -> None:
    """Remove what cnnedge keeps on each NAME: models, and on boards its environment."""
    from ..targets import find

    named = [find(name) for name in names]
    reach.check(*names)
    for device in named:
        with reach.opened(device) as target:
            freed = target.clean()
        output.note(f"{target.name}: {figures.size(freed)} freed")


@command.command()
@click.argument("kind", type=click.Choice(["tflite", "litert"]))
@click.option("--abi", default="arm64-v8a", show_default=True, help="The phone's ABI.")
@click.option(
    "--sha256",
    required=True,
    metavar="HEX",
    help="Keep the file only if it has this SHA-256.",
)
@click.option(
    "--address", default="", metavar="URL", help="Download from URL instead of Google's server."
)
@output.verbose_option
def fetch(kind: str, abi: str, sha256: str, address: str, verbose: bool) -> None:
    """Download the benchmark_model of KIND for phones, and keep it."""
    from ..targets.adb.downloads import download

    with output.progress_console().status("downloading benchmark_model"):
        place = download(
            "tflite" if kind == "tflite" else "litert", abi, sha256=sha256, address=address
        )
    output.note(f"saved as {place}; bench --device finds it there")

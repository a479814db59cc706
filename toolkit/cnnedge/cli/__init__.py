"""The command line: click commands, one module each, imported only when called.

Only this package prints and sets exit codes: 0 done, 1 a problem the user can fix, 2 wrong usage,
3 a gate was not met.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import IO, Any, cast

import click

from .._version import __version__
from ..errors import CnnedgeError, MissingExtraError

# Name: what it does. Kept here so that --help imports no command.
COMMANDS = {
    "train": "Train a recipe on your pictures.",
    "convert": "Convert a trained run to measured .tflite variants.",
    "eval": "Measure a model's accuracy, as it ships.",
    "import": "Make a run of a model trained elsewhere.",
    "run": "Label a camera, video or pictures, live.",
    "demo": "Show models on a phone: a code to scan, live labels in its browser.",
    "teach": "Shoot pictures with a phone, train on them, and try the model, all on one page.",
    "bench": "Measure latency and memory.",
    "compare": "Report whether a benchmark became slower or faster.",
    "verify": "Find the first stage at which a model differs from its training run.",
    "inspect": "Show what is inside a .tflite file.",
    "look": "Show what a model sees in a picture.",
    "study": "Compare, disturb and attack models; each study ends in a figure.",
    "recipes": "List the shipped recipes.",
    "models": "List model definitions, or show one layer by layer.",
    "devices": "List device profiles; check a device, or clean it up.",
}
_MODULES = {
    "eval": "evaluate",
    "import": "import_model",
    **{name: f"{name}.command" for name in ("run", "bench", "inspect", "study")},
}


class LazyGroup(click.Group):
    """Imports a command's module when it is called, and turns CnnedgeError into one message.

    commands: names and what they do, so that --help imports no command. package: where their
    modules are; modules: those that are not named like their command.
    """

    def __init__(
        self,
        *arguments: Any,
        commands: Mapping[str, str] = COMMANDS,
        package: str = __name__,
        modules: Mapping[str, str] = _MODULES,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._help, self._package, self._modules = commands, package, modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._help)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._help:
            return None
        name = self._modules.get(cmd_name, cmd_name)
        try:
            module = importlib.import_module(f".{name}", self._package)
        except ImportError as error:
            raise _import_problem(error) from error
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], self._help, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"{error.message.rstrip('.')}.{hint}", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._help.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EOFError:
            # click takes it for Ctrl-D and says "Aborted!".
            problem = CnnedgeError("a file is empty or cut off; -v shows where it was read")
            _say(problem)
            ctx.exit(problem.exit_code)
        except CnnedgeError as error:
            _say(error)
            ctx.exit(error.exit_code)


def _say(error: CnnedgeError) -> None:
    from . import output

    if output.tracebacks():
        import traceback

        traceback.print_exc()
    output.error(error)


def _import_problem(error: ImportError) -> CnnedgeError:
    missing = str(error).partition(":")[0]
    if missing.startswith("lib") and ".so" in missing:
        return MissingExtraError(
            f"OpenCV lacks a system library ({error}). On Debian or Ubuntu: "
            "sudo apt-get install libgl1 libglib2.0-0"
        )
    return MissingExtraError(
        f"a package that cnnedge needs is missing or broken ({error}). Install it again: pip "
        "install --force-reinstall cnnedge"
    )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cnnedge")
def group() -> None:
    """Train an image CNN, convert it for phones and boards, run and measure it there.

    \b
    cnnedge train fashion_cnn --out RUN      a trained run
    cnnedge convert RUN                      RUN/export/*.tflite and report.html
    cnnedge run RUN/export/int8.tflite       live labels, with latency
    cnnedge bench RUN/export/int8.tflite     latency and memory, every sample kept
    """


class _Cleaned:
    """A stream for click's own messages, which name arguments as they came."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        from . import streams

        return self._stream.write(streams.clean(text))

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return False


def main() -> None:
    """The console script."""
    from . import streams
    from .scratch import own_temporary_folder

    streams.prepare()
    try:
        with own_temporary_folder():
            code = streams.leave(_run())
        sys.exit(code)
    except KeyboardInterrupt:
        # Ctrl-C while it was leaving.
        os._exit(130)


def _run() -> int:
    """One command, whatever ends it; its exit code."""
    from . import streams

    try:
        code = group.main(prog_name="cnnedge", standalone_mode=False)
        code = code if isinstance(code, int) else 0
        if code == 0:
            streams.finish()
        return code
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.ClickException as error:
        error.show(cast(IO[str], _Cleaned(sys.stderr)))
        return error.exit_code
    except CnnedgeError as error:
        _say(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone: there is nobody to report to.
        return 1

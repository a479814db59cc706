"""Commands on the phone: words arrive as they are here, and nothing is left running.

A connection and words enter; a Completed leaves.

What runs on the phone is guarded there: a killed adb client leaves the command that it began
running, so beside each command a watcher waits for the end of its own input, which is the end of
the client, of adb's server or of the cable, and then ends the command with all that it started.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Sequence

from ... import child_process
from ...child_process import Command, Completed, Late
from ...errors import DeviceError
from ...harmless import one_line
from .client import Connection

# adb sends a command as one packet; older phones take no longer one.
_MOST_COMMAND = 30_000
# The phone's own limit is later than ours, so that it is ours that is reported.
_GRACE_SECONDS = 5.0
_FEATURES_SECONDS = 15.0
# mksh (Android), dash and bash read this alike. $1: the mark, $2: seconds, $3: bytes of input, $4:
# a folder for what lies there for a moment, the rest: the command. In a session of its own, the
# command can be ended with all that it started; where there is no setsid it is ended alone, and by
# the watcher alone. The watcher is the shell itself, so that nothing wakes up while something is
# measured, and that nothing of it stays: adbd waits until nobody holds the command's input and
# output, which are one socket. `end` also finds a group that is only just made. The clock is no
# `timeout`: toybox' puts the command into a group of its own, where it could not be found. The
# trap: once the client is gone, nobody reads what the shell itself says of a job that was ended.
_GUARD = r"""
mark=$1 limit=$2 bytes=$3 place=$4; shift 4
end() { kill -9 -$1; kill -9 $1; kill -9 -$1; }
own=
command -v setsid >/dev/null 2>&1 && own=setsid
exec 3<&0 4</dev/null </dev/null
[ -d "$place" ] || mkdir -p "$place" 2>/dev/null
[ -d "$place" ] && export TMPDIR="$place"
if [ "$bytes" -gt 0 ]; then
  input=$place/$mark
  if ! { head -c "$bytes" <&3 >"$input" && exec 4<"$input"; }; then
    rm -f "$input"; echo "cannot write $input" >&2; echo "$mark 1" >&2; exit 1
  fi
  rm -f "$input"
fi
$own "$@" <&4 3<&- 4<&- & job=$!
( while read -r rest <&3; do :; done
  end $job ) </dev/null >/dev/null 2>&1 4<&- & watcher=$!
exec 3<&- 4<&-
clock=
if [ "$own" ]; then
  setsid sh -c 'sleep "$1"; kill -9 "-$2"' sh "$limit" "$job" </dev/null >/dev/null 2>&1 & clock=$!
fi
trap '' HUP PIPE
wait $job; code=$?
[ "$clock" ] && end $clock >/dev/null 2>&1
kill -9 -$job >/dev/null 2>&1
kill -9 $watcher >/dev/null 2>&1
echo "$mark $code" >&2
exit $code
"""


def quoted(words: Sequence[str]) -> str:
    """Words for the phone's sh, each as one word there. Raises ValueError for a NUL."""
    if any("\0" in word for word in words):
        raise ValueError("a NUL byte cannot be in a command")
    return " ".join(shlex.quote(word) for word in words)


def require_shell_v2(connection: Connection) -> None:
    """Raises DeviceError for a phone whose adb tells no exit codes (Android 6 and older)."""
    features = connection.ask("features", seconds=_FEATURES_SECONDS).decode("utf-8", "replace")
    if "shell_v2" not in features.split():
        raise DeviceError(
            f"{connection.name}: the phone's adb has no shell_v2 (it has: "
            f"{one_line(features, 80) or 'nothing'}): Android 7 or later is needed"
        )


def run(
    connection: Connection,
    command: Command,
    *,
    place: str = "/data/local/tmp",
    line: Callable[[str], None] | None = None,
    what: str = "",
) -> Completed:
    """Runs a command on the phone to its end or its time limit.

    place: a folder there for the input until the command has opened it, and the command's TMPDIR.
    what: the command in messages. Raises DeviceError when it does not end in time, or the
    connection does.
    """
    words, seconds = command.words, command.seconds
    told = what or one_line(" ".join(words), 60)
    mark = f"cnnedge-{secrets.token_hex(8)}"
    if command.environment:
        words = ["env", *(f"{key}={value}" for key, value in command.environment.items()), *words]
    limit = str(int(seconds + _GRACE_SECONDS) + 1)
    guarded = quoted(
        ["sh", "-c", _GUARD, "sh", mark, limit, str(len(command.stdin)), place, *words]
    )
    if len(guarded.encode()) > _MOST_COMMAND:
        raise DeviceError(
            f"{connection.name}: the command is {len(guarded.encode()):,} bytes long; a phone "
            f"takes {_MOST_COMMAND:,}. Use shorter names"
        )
    # No terminal there, and no escape character here.
    asked = connection.words("shell", "-T", "-e", "none", guarded)
    try:
        client = Command(words=asked, stdin=command.stdin, seconds=seconds)
        done = child_process.run(client, held=True, line=line)
    except Late as late:
        raise DeviceError(f"{connection.name}: {told} {late} and was ended") from None
    errors, code = _ending(done.errors, mark)
    if code is None:
        raise _broken(connection, told, done)
    return Completed(code=code, output=done.output, errors=errors)


def _ending(errors: bytes, mark: str) -> tuple[bytes, int | None]:
    """The errors without the guard's last line, and the code in it; None where it never came."""
    before, found, after = errors.rpartition(f"{mark} ".encode())
    if not found or not after.strip().isdigit():
        return errors, None
    return before, int(after)


def _broken(connection: Connection, what: str, done: Completed) -> DeviceError:
    said = one_line(done.complaint)
    return DeviceError(
        f"{connection.name}: the phone stopped answering during {what}"
        f"{f' (adb: {said})' if said else ''}. Was it unplugged or restarted? See: adb devices -l"
    )

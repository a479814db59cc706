"""What a board is, in one round trip, by nothing but its POSIX shell.

A connection and a profile enter; a Board leaves. What the board says is data: a value that is not
what it should be is as good as none.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from ...errors import DeviceError
from ...harmless import one_line
from .connection import Connection
from .refusal import Unreachable

# Below what cnnedge keeps for itself, where the board is one that it is used on.
FOLDER = "~/.cache/cnnedge/board"
# Looked for where the profile's own python is missing or too old; the newest first.
PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python3")
OLDEST = (3, 10)
_BEGIN, _END = "cnnedge probe 1", "cnnedge probe end"

# One line: version, bits, libc, what its extension modules are named for, whether it has venv.
_ASK_PYTHON = (
    "import sys,platform,struct,sysconfig,importlib.util as u;"
    "print('python',sys.executable,'%d.%d'%sys.version_info[:2],struct.calcsize('P')*8,"
    "'-'.join(platform.libc_ver()) or '-',sysconfig.get_config_var('SOABI') or '-',"
    "int(bool(u.find_spec('venv'))),sep='\\t')"
)

_SCRIPT = r"""
LC_ALL=C; export LC_ALL
echo; echo @BEGIN@
# By the shell alone: a process for each of these would be most of what a small board does here.
say() { name=$1; set -f; set -- $2; set +f; printf '%s\t%.300s\n' "$name" "$*"; }
read_file() { [ -r "$2" ] && { line=; read -r line < "$2"; say "$1" "$line"; } 2>/dev/null; }
brief() { if command -v timeout >/dev/null; then timeout 20 "$@"; else "$@"; fi; }
folder=@FOLDER@
case $folder in
    '~') folder=$HOME ;;
    '~/'*) folder=$HOME/${folder#'~/'} ;;
    /*) ;;
    *) folder=$HOME/$folder ;;
esac
say machine "$(uname -m)"
say system "$(uname -s)"
printf 'folder\t%s\n' "$folder"
near=$folder
while [ ! -d "$near" ]; do near=$(dirname "$near"); done
[ -w "$near" ] && say writable 1
[ -e "$folder"/.cnnedge ] || [ -z "$(ls -A "$folder" 2>/dev/null)" ] && say ours 1
say space "$(df -Pk "$near" 2>/dev/null | tail -n 1)"
asked=:
for p in @PYTHONS@; do
    q=$(command -v "$p" 2>/dev/null) || continue
    # python3 is most often a link to another of these. A launcher, by whatever name it is linked
    # to, may start another Python by each: only links to a Python are followed.
    real=$(readlink -f "$q" 2>/dev/null)
    case $real in */python*) ;; *) real= ;; esac
    case $asked in *":${real:-none}:"*) continue ;; esac
    brief "$q" -I -c @ASK@ </dev/null 2>/dev/null && asked=$asked$real:
done
[ -r /etc/os-release ] && say os "$(. /etc/os-release; echo "$PRETTY_NAME")"
# It ends with a zero.
[ -r /proc/device-tree/model ] && say model "$(tr -d '\000' < /proc/device-tree/model)"
say cpu "$(grep -m 1 -E '^(model name|Model)' /proc/cpuinfo 2>/dev/null | cut -d : -f 2)"
say cores "$(grep -c ^processor /proc/cpuinfo 2>/dev/null)"
say memory "$(grep -E '^(MemTotal|MemAvailable):' /proc/meminfo 2>/dev/null)"
read_file load /proc/loadavg
read_file kernel /proc/sys/kernel/arch
read_file temperature /sys/class/thermal/thermal_zone0/temp
cpu=/sys/devices/system/cpu
say governor "$(cat $cpu/cpu[0-9]*/cpufreq/scaling_governor 2>/dev/null | sort | uniq)"
say clocks "$(cat $cpu/cpu[0-9]*/cpufreq/scaling_cur_freq 2>/dev/null | sort -n | uniq)"
say fastest "$(cat $cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq 2>/dev/null | sort -n | tail -n 1)"
say throttled "$(brief vcgencmd get_throttled 2>/dev/null)"
echo; echo @END@
"""


@dataclass(frozen=True, kw_only=True)
class Python:
    """One interpreter. libc: "glibc-2.36", or "-"; soabi: "cpython-311-aarch64-linux-gnu"."""

    path: str
    version: tuple[int, int]
    bits: int
    libc: str
    soabi: str
    has_venv: bool

    @property
    def text(self) -> str:
        return ".".join(map(str, self.version))


@dataclass(frozen=True, kw_only=True)
class Board:
    """said: what else it told, by name. folder: where cnnedge keeps things there, absolute.

    ours: it is empty, or cnnedge made it.
    """

    machine: str
    system: str
    folder: str
    writable: bool
    ours: bool
    free_bytes: int | None
    pythons: tuple[Python, ...]
    said: dict[str, str] = field(default_factory=dict)

    def number(self, name: str) -> float | None:
        """The first number in what it said by that name."""
        found = re.search(r"-?\d+(\.\d+)?", self.said.get(name, ""))
        return float(found[0]) if found else None


def probe(connection: Connection, wanted: str, folder: str) -> Board:
    """Asks the board. wanted: the profile's python. Raises DeviceError."""
    pythons = " ".join(shlex.quote(p) for p in dict.fromkeys((wanted, *PYTHONS)))
    script = _SCRIPT
    for mark, text in {
        "@BEGIN@": shlex.quote(_BEGIN),
        "@END@": shlex.quote(_END),
        "@FOLDER@": shlex.quote(folder or FOLDER),
        "@PYTHONS@": pythons,
        "@ASK@": shlex.quote(_ASK_PYTHON),
    }.items():
        script = script.replace(mark, text)
    said = connection.script(script, connection.pace.silence)
    _before, begun, rest = said.partition(f"\n{_BEGIN}\n")
    body, ended, _after = rest.partition(f"\n{_END}\n")
    if not begun or not ended:
        shown = one_line(said, 120) or "nothing"
        raise Unreachable(
            connection.name,
            f"{connection.route} gives no shell that can be used; it answered: {shown}",
            "The user needs a login shell, and its start-up files must not end it",
        )
    return _parse(connection.name, body)


def _parse(name: str, body: str) -> Board:
    lines = [line.split("\t") for line in body.splitlines() if "\t" in line]
    said = {line[0]: line[1] for line in lines if len(line) == 2}
    folder = said.get("folder", "")
    if not folder.startswith("/"):
        raise DeviceError(
            f"{name}: it has no home folder ({one_line(folder, 80)!r}). Name a folder in the "
            "profile: folder: /some/where"
        )
    found = [_python(line) for line in lines if line[0] == "python"]
    space = said.get("space", "").split()
    known = len(space) >= 6 and space[3].isdigit()
    return Board(
        machine=one_line(said.get("machine", ""), 40),
        system=one_line(said.get("system", ""), 40),
        folder=folder,
        writable=said.get("writable") == "1",
        ours=said.get("ours") == "1",
        free_bytes=int(space[3]) * 1024 if known else None,
        pythons=tuple(dict.fromkeys(p for p in found if p)),
        said={key: one_line(value) for key, value in said.items()},
    )


def _python(line: list[str]) -> Python | None:
    if len(line) != 7 or not re.fullmatch(r"\d+\.\d+", line[2]) or not line[3].isdigit():
        return None
    major, minor = line[2].split(".")
    return Python(
        path=line[1],
        version=(int(major), int(minor)),
        bits=int(line[3]),
        libc=line[4],
        soabi=line[5],
        has_venv=line[6] == "1",
    )

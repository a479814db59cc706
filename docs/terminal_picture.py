"""Makes docs/terminal.png: what cnnedge prints, photographed from a real run of it.

Runs the commands in a pseudo-terminal, lets rich draw what came out as SVG, and headless Chromium
(Debian package chromium) turn that into a PNG.

    python docs/terminal_picture.py OUT.png "cnnedge convert RUN" "cnnedge bench ..."
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 108


def main() -> None:
    target, *commands = sys.argv[1:]
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for command in commands:
        console.print(Text("$ ", style="bold green") + Text(command, style="bold"))
        console.print(Text.from_ansi(last_screen(typed(command))))
        console.print()
    svg = console.export_svg(title="cnnedge")
    photograph(svg, Path(target))


def typed(command: str) -> str:
    """What a command writes to a terminal, stdout and stderr together."""
    controller, terminal = pty.openpty()
    environment = os.environ | {"COLUMNS": str(COLUMNS), "LINES": "60", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        command, shell=True, stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    )
    os.close(terminal)
    parts = []
    while True:
        try:
            part = os.read(controller, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    process.wait()
    return b"".join(parts).decode("utf-8", "replace")


def last_screen(text: str) -> str:
    """The text without what progress bars overwrote: cursor movements obeyed line by line."""
    lines = [""]
    for token in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r\n|\n|\r)", text):
        if token in ("\r\n", "\n"):
            lines.append("")
        elif token == "\r":
            continue
        elif token.endswith("A") and token.startswith("\x1b["):
            up = int(token[2:-1] or 1)
            lines = lines[: max(1, len(lines) - up)]
        elif token.startswith("\x1b[") and token.endswith("K"):
            lines[-1] = ""
        elif token.startswith("\x1b[") and not token.endswith("m"):
            continue
        else:
            lines[-1] += token
    return "\n".join(line for line in lines if line.strip())


def photograph(svg: str, target: Path) -> None:
    """SVG to PNG through headless Chromium."""
    # Nothing may be fetched: the fonts of this machine do.
    svg = re.sub(r"@font-face\s*{.*?}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box is not None
    width, height = (round(float(v)) for v in box.groups())
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text("<body style='margin:0'>" + svg.replace("<svg ", f"<svg width={width} ", 1))
        subprocess.run(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                f"--user-data-dir={folder}/profile",
                "--hide-scrollbars",
                f"--window-size={width},{height}",
                f"--screenshot={target.absolute()}",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
        )


if __name__ == "__main__":
    main()

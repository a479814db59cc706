"""What travels to a worker and back, and that its description is true."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cnnedge.benchmark.request import Request
from cnnedge.bundle import Guest
from cnnedge.engines import Runtime
from cnnedge.errors import SpecError
from cnnedge.files import json_text
from cnnedge.specs import plain
from cnnedge.specs.values import read

ROOT = Path(__file__).parents[1]


def test_the_schema_is_current() -> None:
    script = ROOT / "scripts" / "protocol_schema.py"
    done = subprocess.run([sys.executable, script, "--check"])
    assert done.returncode == 0, "run: python scripts/protocol_schema.py"


def test_every_field_is_in_the_description() -> None:
    schema = json.loads((ROOT / "docs" / "protocol.schema.json").read_text(encoding="utf-8"))
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    for message in ("MeasureRequest", "MeasureAnswer", "PredictRequest", "Failure"):
        missing = [name for name in schema["$defs"][message]["properties"] if name not in text]
        # What a file of predictions may be accompanied by is for cnnedge alone.
        assert set(missing) <= {"pixels", "input_shape"}, message


def test_a_request_arrives_as_it_was_sent() -> None:
    guest = Guest(labels=("a", "b"), mean=(1.0, 2.0, 3.0), bgr=True, size=(24, 32))
    runtime = Runtime(delegate="/lib/x.so", options={"device": "0"}, threads=4, guest=guest)
    asked = Request(model="m.tflite", runtime=runtime, warmup_seconds=0.5, runs=50, seconds=1.0)
    arrived = read(Request, json.loads(json_text(plain(asked), ascii_only=True)), "request")
    assert arrived == asked


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"runs": 0}, "request.runs: 0 is out of range"),
        ({"runs": "5"}, "request.runs: expected a whole number"),
        ({"runtime": {"thread": 1}}, "unknown key 'thread'. Did you mean 'threads'"),
        ({"seconds": None}, "request.seconds: expected a number"),
    ],
)
def test_a_request_that_is_none(change: dict[str, object], said: str) -> None:
    asked = {"model": "m", "warmup_seconds": 0, "runs": 1, "seconds": 0} | change
    with pytest.raises(SpecError, match=said.replace(".", r"\.")):
        read(Request, asked, "request")

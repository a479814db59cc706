"""YAML that somebody else wrote is refused in one line with file and place, or read as it is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from fuzz import yaml_texts

from cnnedge.errors import CnnedgeError, SpecError, one_line
from cnnedge.specs import dump, parse_device, parse_model, parse_recipe, shipped
from cnnedge.specs.arithmetic import Axis, trace
from cnnedge.specs.usage import in_training, read_used
from support.command import call
from support.hostile import in_time

SOUND = "data: {source: x}\nmodel: lenet\n"
INPUT = "input: {height: 24, width: 24}\n"
END = "  - Flatten\n  - Dense: {units: classes, activation: softmax}\n"


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    with in_time(20):
        yield


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(SpecError) as caught:
        act()
    text = str(caught.value)
    assert text.isprintable() and len(text) < 800, text[:1000]
    return text


def assert_refused(done: Result, *parts: str) -> None:
    assert done.exit_code == 1 and isinstance(done.exception, SystemExit), done.exception
    lines = done.output.splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: "), done.output[:500]
    assert lines[0].isprintable()
    for part in parts:
        assert part in lines[0], lines[0]


LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
CHAIN = "k0: &k0 [1]\n" + "".join(f"k{n}: &k{n} {{x: *k{n - 1}}}\n" for n in range(1, 300))
STRUCTURES = {
    "lists": ("a: " + "[" * 500 + "]" * 500, "r.yaml:1: ", "more than 50 nested levels"),
    "open lists": ("a: " + "[" * 100_000, "r.yaml:1: ", "nested"),
    "mappings": ("a: " + "{a: " * 500 + "1" + "}" * 500, "r.yaml:1: ", "nested"),
    "lines": ("\n".join(" " * n + "a:" for n in range(500)), "r.yaml:50: ", "nested"),
    "dashes": ("a:\n" + "- " * 500 + "1", "r.yaml:2: ", "nested"),
    "keys": ("? " * 500 + "1", "r.yaml:1: ", "nested"),
    "laughs": (LAUGHS, "r.yaml:", "more than 30,000 values"),
    "aliases upon aliases": (CHAIN, "r.yaml:50: ", "nested"),
    "an alias in itself": ("a: &a [*a]", "r.yaml:1: ", "something that contains it"),
    "an alias in itself, as a key": (
        "a: &a {b: {c: *a}}",
        "r.yaml:1: ",
        "something that contains it",
    ),
    "an alias of nothing": ("a: *b", "r.yaml:1: ", "undefined alias"),
    "many values": ("a: [" + "1," * 31_000 + "]", "r.yaml:1: ", "30,000 values"),
    "long": (SOUND + "description: " + "x" * 1_000_001, "r.yaml: ", "the limit is 1,000,000"),
    "NUL": (SOUND + "name: a\0b", "r.yaml:3: ", "0x0000"),
    "escape code": (SOUND + "\n\nname: \x1b[31m", "r.yaml:5: ", "0x001b"),
    "no character": (SOUND + 'name: "\\U00110000"', "r.yaml: ", "out of range"),
    "version": ("%YAML " + "9" * 5000 + ".1\n---\n" + SOUND, "r.yaml: ", "out of range"),
    "two documents": (SOUND + "---\na: 1", "r.yaml:3: ", "another document"),
    "a list": ("- a", "r.yaml:1: ", "found a list"),
    "a text": ("hello", "r.yaml:1: ", "single value"),
    "nothing": ("", "r.yaml: ", "empty"),
}


@pytest.mark.parametrize("kind", STRUCTURES)
def test_structures_without_end(kind: str) -> None:
    text, *said = STRUCTURES[kind]
    # All three parse by the same code: what takes PyYAML seconds is tried on one of them.
    parsers = (parse_recipe, parse_model, parse_device)
    for parse in parsers[: 1 if len(text) > 10_000 else 3]:
        line = refusal(lambda parse=parse: parse(text, "r.yaml"))
        assert all(part in line for part in said), line


VALUES = {
    "310 digits": ("training: {epochs: 1%s}" % ("0" * 309), "training.epochs", "310 digits"),
    "400 digits": ("training: {seed: %s}" % ("9" * 400), "training.seed", "400 digits"),
    "5,000 digits": ("training: {epochs: -%s}" % ("9" * 5000), "training.epochs", "whole number"),
    "65 bits": ("training: {epochs: 9223372036854775808}", "training.epochs", "64 bits"),
    "a float of 400 digits": ("augmentation: {zoom: %s}" % ("9" * 400), "zoom", "a number"),
    "infinity": ("training: {label_smoothing: .inf}", "training.label_smoothing", "'.inf'"),
    "inf": ("training: {label_smoothing: inf}", "training.label_smoothing", "'inf'"),
    "nan": ("training: {label_smoothing: nan}", "training.label_smoothing", "'nan'"),
    "1e999": ("training: {label_smoothing: 1e999}", "training.label_smoothing", "'1e999'"),
    "negative seed": ("training: {seed: -1}", "training.seed", "from 0 to 4294967295"),
    "large seed": ("convert: {calibration: {seed: 4294967296}}", "calibration.seed", "range"),
    "given twice": ("model: yoga", "model", "twice (first on line 2)"),
    "escape code": ('description: "\\e[31mred"', "description", "control character"),
    "NUL": ('weights: "a\\0b"', "weights", "control character"),
    "backspace": ('data: {source: "a\\bb"}', "data", "twice"),
    "a way out": ("name: ../../home", "name", "without slashes"),
    "another way out": ("name: a\\b", "name", "without slashes"),
    "hidden": ("name: .ssh", "name", "not beginning with a dot"),
    "long name": (f"name: {'x' * 500}", "name", "at most 100"),
    "long key": (f"{'k' * 500}: 1", "kkk", "unknown key"),
    "key of a list": ("? [a, b]\n: 1", "a key must be text", "list"),
    "merge key": ("<<: {name: x}", "<<", "unknown key"),
    "odd key": ('"a\\nb": 1', "a\\nb", "unknown key"),
    "long variant": (f"convert: {{variants: [{'qat-' * 300}]}}", "variants[0]", "too long"),
    "digits of a variant": (
        f"convert: {{variants: [cluster{'9' * 90}]}}",
        "variants[0]",
        "neither a format",
    ),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_that_no_computer_counts_with(kind: str) -> None:
    text, *said = VALUES[kind]
    line = refusal(lambda: parse_recipe(SOUND + text, "r.yaml"))
    assert line.startswith("r.yaml:") and all(part in line for part in said), line


def test_model_definitions_of_any_size() -> None:
    deep = INPUT + "layers:\n" + "  - ReLU\n" * 501 + END
    assert "the limit is 500" in refusal(lambda: parse_model(deep, "m.yaml"))
    for layers, said in (
        ("  - Flatten\n  - Dense: {units: 65536}\n  - Dense: {units: 65536}\n", "parameters"),
        ("  - ZeroPadding2D: {padding: 255}\n" * 200, "values in its output"),
        (
            "  - SeparableConv2D: {filters: 65536, kernel_size: 255, padding: same}\n" * 3,
            "the limit is",
        ),
    ):
        model = parse_model(INPUT + "layers:\n" + layers + END, "m.yaml")
        started = time.perf_counter()
        line = refusal(lambda model=model: trace(model, None, 3))
        assert said in line and line.startswith("layers[") and time.perf_counter() - started < 2
    for scale in (f"1/{'9' * 400}0", f"{'9' * 400}/1", "1/0", ".inf"):
        text = INPUT + f"layers:\n  - Rescaling: {{scale: {scale}}}\n" + END
        if scale != f"1/{'9' * 400}0":
            assert "Rescaling.scale" in refusal(lambda text=text: parse_model(text, "m.yaml"))


def test_the_widest_view_is_found_without_looking_at_every_place() -> None:
    for size in (1, 2, 3, 7, 50):
        for jump in (1, 2, 8):
            for start in (-40, -7, 0, 5, 90):
                for span in (1, 4, 33, 200):
                    axis = Axis(size=size, jump=jump, start=start, span=span)
                    firsts = [start + n * jump for n in range(size)]
                    most = max(min(32, s + span) - max(0, s) for s in firsts)
                    assert axis.visible(32) == most


ASSIGNMENTS = {
    "another line": ("training.epochs=1\nmodel: yoga", "one value"),
    "a line of its own": ("training.epochs=\n  1\nx: 1", "one value"),
    "escape code": ("model=\x1b[31m", "0x001b"),
    "escape code in the key": ("mo\x1bdel=1", "unknown key"),
    "NUL": ("model=a\0", "0x0000"),
    "bytes": ("model=\udcff", "0xdcff"),
    "deep": ("model=" + "[" * 500, "nested"),
    "keys without end": (".".join("a" * 400) + "=1", "unknown key"),
    "keys below a value": ("model." + ".".join("a" * 400) + "=1", "holds a value"),
    "digits": ("training.epochs=" + "9" * 400, "400 digits"),
    "long": ("x" * 100_000 + "=1", "unknown key"),
    "laughs": ("data.labels=[&a [x,x], &b [*a,*a], &c [*b,*b]]", "expected text"),
    "nothing": ("=", "KEY=VALUE"),
}


@pytest.mark.parametrize("kind", ASSIGNMENTS)
def test_changes_by_the_command_line(kind: str, tmp_path: Path) -> None:
    assignment, said = ASSIGNMENTS[kind]
    line = refusal(lambda: parse_recipe(SOUND, "r.yaml", [assignment]))
    assert "--set " in line and said in line, line
    (tmp_path / "r.yaml").write_text(SOUND)
    if "\0" not in assignment:
        done = call("train", tmp_path / "r.yaml", f"--set={assignment}")
        assert_refused(done, "--set ", said)


def test_a_change_leaves_what_an_alias_stands_for() -> None:
    text = SOUND + "training:\n  method: transfer\n  head: &s {epochs: 3, views: 2}\n  top: *s\n"
    training = parse_recipe(text, "r.yaml", ["training.top.epochs=9"]).training
    assert training.head is not None and training.top is not None
    assert (training.head.epochs, training.top.epochs, training.top.views) == (3, 9, 2)


def test_texts_may_hold_what_people_write() -> None:
    text = SOUND + "name: größer 木\ndescription: |\n  two\n  lines\twith a tab\n"
    recipe = parse_recipe(text, "r.yaml")
    assert recipe.description == "two\nlines\twith a tab\n"
    assert parse_recipe(dump(recipe), "r.yaml") == recipe
    # Bytes of file names that are no text come back as they were.
    recipe = parse_recipe(SOUND, "r.yaml", ['data.source="a/\\udcff.npz"'])
    assert os.fsencode(recipe.data.source) == b"a/\xff.npz"
    assert parse_recipe(dump(recipe), "r.yaml") == recipe
    assert parse_recipe("\ufeff" + SOUND, "r.yaml").model == "lenet"


def unreadable(folder: Path, kind: str) -> Path:
    path = folder / "r.yaml"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a link to itself":
        path.symlink_to(path)
    elif kind == "a device":
        return Path("/dev/zero")
    elif kind == "a folder":
        path.mkdir()
    elif kind == "no text":
        path.write_bytes(SOUND.encode() + b"name: \xff\xfe")
    elif kind == "UTF-16":
        path.write_bytes(SOUND.encode("utf-16"))
    elif kind == "50 MB":
        with path.open("wb") as file:
            file.truncate(50_000_000)
    elif kind == "a long name":
        return folder / ("x" * 300 + ".yaml")
    elif kind == "somebody's home":
        return Path("~nobody_of_this_name/r.yaml")
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("a pipe", "this is a pipe, not a file"),
        ("a link to itself", "ymbolic link"),
        ("a device", "this is a device, not a file"),
        ("a folder", "directory"),
        ("no text", "not UTF-8 text"),
        ("UTF-16", "not UTF-8 text"),
        ("50 MB", "too large"),
        ("a long name", "name too long"),
        ("somebody's home", "no such recipe"),
    ],
)
def test_recipes_that_cannot_be_read(kind: str, said: str, tmp_path: Path) -> None:
    path = unreadable(tmp_path, kind)
    if kind == "a device":
        path = tmp_path / "r.yaml"
        path.symlink_to("/dev/zero")
    assert_refused(call("train", path), said)
    assert said in refusal(lambda: shipped.read("devices", str(path))).replace(
        "device", "recipe", 1
    )


def test_names_of_recipes_as_they_come(tmp_path: Path) -> None:
    for name in ("a\nb", "\x1b[31m", "x" * 5000, "\udcff", "a\0b"):
        line = refusal(lambda name=name: shipped.read("recipes", name))
        assert "there is no shipped recipe" in line
        assert_refused(call("train", name), "there is no shipped recipe")
        path = str(tmp_path / name)
        with pytest.raises(SpecError):
            shipped.read("recipes", path)
        assert_refused(call("train", path))


def test_json_on_stdout_of_texts_that_are_bytes(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(SOUND + 'description: "\\udcff"\n')
    done = subprocess.run(
        [sys.executable, "-m", "cnnedge", "recipes", "./r.yaml", "--json", "-"],
        capture_output=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert b'"\\udcff"' in done.stdout


def test_a_file_that_ends_early_is_no_ctrl_d(monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(*_: object, **__: object) -> None:
        raise EOFError("No data left in file")

    monkeypatch.setattr("cnnedge.cli.train.resolve", ends)
    assert_refused(call("train", "yoga"), "empty or cut off")


def test_one_line() -> None:
    assert one_line("größer 木 'x' & <b>") == "größer 木 'x' & <b>"
    assert one_line("a\nb\x1b[1m\udcff\u2028") == "a\\nb\\x1b[1m\\udcff\\u2028"
    assert one_line("x" * 100, 10) == "x" * 10 + "..."


def test_mutants_are_read_or_refused() -> None:
    texts = list(yaml_texts.mutants(1, 80))
    assert texts == list(yaml_texts.mutants(1, 80)) != list(yaml_texts.mutants(2, 80))
    refused = 0
    for data in texts:
        text = data.decode("utf-8", "replace")
        for act in (
            lambda text=text: trace(parse_model(text, "m.yaml"), None, 3),
            lambda text=text: parse_device(text, "d.yaml"),
            lambda text=text: read_used(
                text, "r.yaml", ["training.epochs=2"], lambda r: in_training(r, backbone=False)
            ),
        ):
            try:
                act()
            except CnnedgeError as error:
                refused += 1
                assert one_line(str(error)) == str(error) and len(str(error)) < 2000
    assert 80 < refused < 240

"""Recipes, models and device profiles as a stranger may write them.

A seed enters; YAML texts leave as bytes: sound ones in which values, keys, lines and nesting are
changed, and some in which bytes are. Each is for `parse_recipe`, `parse_model` and `parse_device`
alike: what is no recipe is refused as one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from .changes import changed

_RECIPE = """\
name: shapes
description: Shapes of three kinds.
data:
  source: embedded:fashion_mnist
  labels: [a, b, c]
  splits: {train: 0.6, val: 0.2, test: 0.2}
  seed: 7
  max_unreadable: 0.05
model: lenet
weights: none
input: {height: 24, width: 24, channels: 3}
preprocess: {resize: letterbox, pad_value: 127}
training:
  method: scratch
  epochs: 3
  batch_size: 16
  optimizer: {name: adam, learning_rate: 1e-3}
  schedule: {name: cosine, warmup_epochs: 1}
  early_stopping: {patience: 2}
  seed: 1
augmentation: {flip: both, shift: 0.05, rotate: 10}
compress:
  channels: {importance: l1, steps: 2}
  distil: {temperature: 3.0, weight: 0.8}
convert:
  variants:
    - float32
    - channels50-distil-qat
    - [prune: 0.8, cluster: 16, sparse, float16]
  calibration: {count: 40, seed: 3}
  max_drop: 1.5
  remedies: [calibration, qat]
"""
_MODEL = """\
description: Two small convolutions.
input: {height: 24, width: 24, channels: 3}
layers:
  - Rescaling: {scale: 1/255, offset: -1/2}
  - Conv2D: {filters: 8, kernel_size: [3, 5], padding: same, use_bias: false}
  - ZeroPadding2D: {padding: [[1, 0], [0, 1]]}
  - BatchNormalization: {momentum: 0.8}
  - ReLU
  - MaxPooling2D: {pool_size: 2, strides: 2}
  - SeparableConv2D: {filters: 16, kernel_size: 3, depthwise_regularizer: {l2: 0.001}}
  - Dropout: {rate: 0.1}
  - Flatten
  - Dense: {units: classes, activation: softmax}
"""
_DEVICE = """\
description: A board.
transport: ssh
address: pi@board.local
cores: 4
memory_gb: 3.5
threads: [1, 2, 4]
delegates: [cpu, gpu]
frame_budget_ms: 33.3
cool_to_c: 55
"""
_VALUES = (
    *("", "~", "null", "true", "no", "0", "-0", "-1", "1", "07", "1_000", "0x10", "1e3", "1/0"),
    *(".inf", "-.inf", ".nan", "nan", "1e999", "1" + "0" * 310, "9" * 400, "-" + "9" * 5000),
    *("[]", "{}", "[[]]", "{a: b}", "[" * 60, "{a: " * 60, "[1, 2, 3]", "? a", "- - - 1"),
    *(
        "&x 1",
        "*x",
        "&x [*x]",
        "&x {<<: *x}",
        "!!int 5",
        "!!binary aGk=",
        "!!python/name:os.system",
    ),
    *(
        "'",
        '"',
        '"\\x1b[31m"',
        '"\\0"',
        '"\\ud800"',
        '"\\U00110000"',
        "|\n  a\n  b",
        ">-\n a",
        "%TAG !",
    ),
    *(
        "../../../tmp/x",
        "/dev/zero",
        "~nobody/x",
        "a\tb",
        "é",
        "日本",
        "\u202e",
        "#",
        "a: b: c",
        "@",
        "`",
    ),
    *("classes", "int8", "qat", "sparse", "prune: 2:4", "distil: {student: ../x}", "x" * 3000),
)
_PREFIXES = ("---\n", "%YAML 1.1\n---\n", "%YAML 99.1\n---\n", "\ufeff", "# a\n", "...\n", "&a\n")
_SUFFIXES = ("---\nx: 1\n", "...", "\n\t", "\x85", "\u2028x: 1", "model: again\n", "? [a]\n: 1\n")


def mutants(seed: int, count: int) -> Iterator[bytes]:
    """`count` texts, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        text = rng.choice((_RECIPE, _MODEL, _DEVICE))
        for _ in range(rng.randint(1, 3)):
            text = rng.choice(_CHANGES)(text, rng)
        data = text.encode("utf-8", "surrogatepass")
        yield changed(data, rng) if rng.random() < 0.2 else data


def _other_value(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    places = [n for n, line in enumerate(lines) if ":" in line]
    if places:
        at = rng.choice(places)
        cut = rng.choice([n for n, c in enumerate(lines[at]) if c in ":,"]) + 1
        lines[at] = f"{lines[at][:cut]} {rng.choice(_VALUES)}{rng.choice(('', lines[at][cut:]))}"
    return "\n".join(lines)


def _line_again(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    lines.insert(rng.randrange(len(lines)), rng.choice(lines))
    return "\n".join(lines)


def _line_gone(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    del lines[rng.randrange(len(lines))]
    return "\n".join(lines)


def _indented(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    lines[at] = rng.choice((" ", "  ", "\t", " " * 1000)) + lines[at]
    return "\n".join(lines)


def _swapped(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]
    return "\n".join(lines)


def _deeper(text: str, rng: random.Random) -> str:
    """All of it below so many new keys."""
    levels = rng.choice((1, 5, 49, 60, 500))
    inner = "\n".join(" " * levels + line for line in text.split("\n"))
    return "\n".join(" " * n + "a:" for n in range(levels)) + "\n" + inner


def _exploding(text: str, rng: random.Random) -> str:
    """Aliases of aliases: a few lines that stand for very many."""
    wide, levels = rng.choice((2, 9)), rng.choice((3, 9, 40))
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * wide)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n" + text


def _framed(text: str, rng: random.Random) -> str:
    return rng.choice(("", *_PREFIXES)) + text + rng.choice(("", *_SUFFIXES))


def _many(text: str, rng: random.Random) -> str:
    line = rng.choice(text.split("\n"))
    return text + "\n" + "\n".join(f"k{n}{line}" for n in range(rng.choice((10, 300))))


# What changes one value finds most.
_CHANGES = (
    *(_other_value,) * 8,
    *(_line_again, _line_gone, _indented, _swapped, _deeper, _exploding, _framed, _many),
)

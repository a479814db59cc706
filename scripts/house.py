"""The rooms of toolkit/cnnedge, in import order: each imports only from those before it.

    python scripts/house.py [--write]

Prints the table of CONTRIBUTING.md, or writes it there. tests/test_layout.py takes the order from
here, and checks both the imports and the table.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

CONTRIBUTING = Path(__file__).resolve().parents[1] / "CONTRIBUTING.md"
BEGIN, END = "<!-- made by scripts/house.py -->\n", "<!-- end -->\n"
DEVICE, WORKSHOP = "device", "workshop"


@dataclass(frozen=True)
class Room:
    """One row. names: modules and packages, without and with a slash. side: who installs it."""

    names: tuple[str, ...]
    what: str
    side: str = DEVICE


ROOMS = (
    Room(
        ("_version", "errors", "lazy"),
        "the version; the exception tree, whose texts are an interface; names that are imported "
        "when they are used",
    ),
    Room(
        ("given_files", "numpy_files"),
        "reads a file that somebody names: an ordinary file of limited size; NumPy's without "
        "pickles, with headers checked first",
    ),
    Room(
        ("specs/",),
        "strict YAML and JSON into frozen dataclasses, and back: recipe, model, device, resize "
        "rule; layer table and convolution arithmetic",
    ),
    Room(
        ("preprocess/",),
        "frame to input pixels: THE one definition, in integers (docs/pixels.md); a piece of C, "
        "and numpy if there is no compiler",
    ),
    Room(
        ("files", "seals", "downloads"),
        "writes files complete or not at all; the cache folder; results that this user's key has "
        "sealed; a file of the web",
    ),
    Room(
        ("harmless", "figures"),
        "removes terminal control codes from texts that come from elsewhere; numbers as people "
        "read them",
    ),
    Room(
        ("native_stderr", "child_process", "model_trial"),
        "captures what native libraries write to stderr; runs commands within bounds of time and "
        "memory; tries a model file once, in a process that may die of it",
    ),
    Room(
        ("conditions", "results", "pages/"),
        "the machine that is measured; statistics, intervals, stability; what HTML pages share: "
        "Jinja2's environment, the base template, charts",
    ),
    Room(
        ("bundle/",),
        "the .tflite as one file that travels: graph, metadata, labels, provenance, cost; what its "
        "inputs and outputs mean, and what a person states about it (`Guest`)",
    ),
    Room(
        ("inspection/",),
        "what delegates would take, memory, cost by layer; the rules of each delegate with their "
        "sources",
    ),
    Room(
        ("pictures/", "pixel_check", "data/"),
        "identifies a file, and reads picture files as a person sees them (Pillow's pixels), "
        "animations; digests of pixels, to compare machines; data sets, splits that keep bursts "
        "and near duplicates together, streaming; signals of tables, and synthetic ones",
    ),
    Room(
        ("encoding", "decoding", "intake"),
        "pixels to the values of an input; raw outputs to scores; what one sample is to a model: a "
        "picture or a signal",
    ),
    Room(
        ("engines/",),
        "LiteRT, tflite-runtime and OpenVINO behind one interface; delegates, precision, "
        "agreement with the CPU; what ran where",
    ),
    Room(
        ("classifier", "raw_model", "picture_model"),
        "preprocess + engine + labels; models that are not classifiers; models whose answer is a "
        "picture",
    ),
    Room(
        ("looking/",),
        "what a model looks at: filters, feature maps, class activation maps, occlusion; a "
        "classifier with a heat map for each frame",
    ),
    Room(("camera/",), "cameras, streams, videos, pictures; why one does not open"),
    Room(("overlay/", "display/"), "what is drawn on a frame; the window, saved files"),
    Room(("pipeline/",), "stages on threads, workers, smoothing, timings"),
    Room(
        ("live/",),
        "a source labelled from its first frame to its last: in a window, in files, as lines of "
        "JSON; what `cnnedge run` does",
    ),
    Room(("model",), "`cnnedge.load`: called with a frame, iterated over a source"),
    Room(
        ("benchmark/",),
        "protocols, in fresh processes, interleaved; what a worker is asked and answers "
        "(docs/protocol.md)",
    ),
    Room(
        ("comparison/", "bench_report/"),
        "two benchmarks: are their conditions alike, and do their latencies differ? One page for "
        "devices, variants and delegates",
    ),
    Room(
        ("web/",),
        "the page that a phone opens: description of a model, server, certificate, export; what "
        "`--device browser` asks of a page (`errands`); the album that `teach` shoots, and its "
        "training process as the server sees it; `page/`: the "
        "page itself, JavaScript with JSDoc types; `make web` fetches `third_party/`, whose "
        "versions are in `scripts/web/`",
    ),
    Room(
        ("targets/",),
        "boards over ssh, phones over adb, browsers that open a page of ours, this machine: the "
        "same operations",
    ),
    Room(
        ("scoring", "device_scoring/"),
        "accuracy of the file that ships; predictions on a device, compared with those here",
    ),
    Room(
        ("architectures/",),
        "ModelSpec to Keras; backbones, their weights and where those come from",
        WORKSHOP,
    ),
    Room(
        ("packing", "ranges", "hard_swish", "spreads", "frozen", "converter"),
        "writes a flatbuffer again in fewer bytes; the ranges of values for int8; hard swish by "
        "operators that have integer kernels; spreads that are divided by, kept in float; the "
        "variants of a network that is a flatbuffer already; Keras to the bytes of one .tflite "
        "variant",
        WORKSHOP,
    ),
    Room(
        ("training/",),
        "methods (scratch, transfer in stages, linear heads), cached features, augmentation, feed, "
        "fitting with exact resume, several workers, plots, run folder; in `style/` a network that "
        "answers pictures",
        WORKSHOP,
    ),
    Room(
        ("teaching/",),
        "trains for `cnnedge teach`: a linear classifier in a process of its own, its accuracy by "
        "bursts, the int8 model",
        WORKSHOP,
    ),
    Room(
        ("compression/",),
        "channels, pruning, clustering, distillation, QAT; steps kept on disk; workarounds for "
        "tfmot in `tfmot_edges/`",
        WORKSHOP,
    ),
    Room(
        ("conversion/",),
        "the variants of a run, the gate and its remedies, the search, sensitivity, the report",
        WORKSHOP,
    ),
    Room(
        ("importing/",),
        "makes a run of a model that was trained elsewhere: opened without running its code, "
        "rebuilt or frozen, its preprocessing found, compared with its source",
        WORKSHOP,
    ),
    Room(
        ("verification/",),
        "compares a file with its training run, stage by stage",
        WORKSHOP,
    ),
    Room(
        ("studies/",),
        "questions of a course, answered by measuring models: one module or folder a study, with "
        "its figure",
        WORKSHOP,
    ),
    Room(
        ("cli/",),
        "click commands, imported only when called; the only place for printing and exit codes",
        WORKSHOP,
    ),
)
ORDER = tuple(name.rstrip("/") for room in ROOMS for name in room.names)
DEVICE_SIDE = tuple(
    name.rstrip("/") for room in ROOMS if room.side == DEVICE for name in room.names
)


def table() -> str:
    """The rooms as a table of Markdown."""
    rows = [
        f"| {room.side} | {', '.join(f'`{name}`' for name in room.names)} | {room.what} |"
        for room in ROOMS
    ]
    return "\n".join(["| side | module | what it does |", "|---|---|---|", *rows]) + "\n"


def with_table(text: str) -> str:
    """CONTRIBUTING.md with the table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write it into CONTRIBUTING.md")
    if parser.parse_args().write:
        CONTRIBUTING.write_text(with_table(CONTRIBUTING.read_text("utf-8")), "utf-8")
    else:
        print(table(), end="")


if __name__ == "__main__":
    main()

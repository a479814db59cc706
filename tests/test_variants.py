"""Variants: words in a recipe, names of files, and what does not go together."""

from __future__ import annotations

import re

import pytest

from cnnedge.errors import SpecError
from cnnedge.specs import FORMATS, Channels, Variant, dump, parse_recipe, parse_variant


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("int8", "int8"),
        ("int8-float-io", "int8-float-io"),
        ("qat", "qat"),
        ("prune", "prune80"),
        ("prune: 0.6", "prune60"),
        ("prune: 2:4", "prune2of4"),
        ("prune: {sparsity: 0.7, pattern: xnnpack}", "prune70xnnpack"),
        ("cluster: 16", "cluster16"),
        ("channels: 0.5", "channels50"),
        ("channels: {macs: 0.4}", "channels40macs"),
        ("channels: {latency: 0.55}", "channels55latency"),
        ("distil", "distil"),
        ("distil: lenet", "distil_lenet"),
        ("distil: {student: ./my net.yaml, teacher: runs/big one}", "distil_my_net_by_big_one"),
        ("[channels: 0.5, distil, qat]", "channels50-distil-qat"),
        ("[prune: 0.8, sparse, float16]", "prune80-sparse-float16"),
        ("[prune: 0.8, cluster: 8, qat]", "prune80-cluster8-qat"),
        ("[qat, int8-float-io]", "qat-int8-float-io"),
        ("[channels: 0.3, int16x8]", "channels30-int16x8"),
    ],
)
def test_names_are_readable(text: str, name: str) -> None:
    assert parse_variant(text, "here").name == name


@pytest.mark.parametrize(
    "name",
    [
        *FORMATS,
        "channels50-distil-qat",
        "prune2of4-qat",
        "channels40macs-prune70-cluster16-int16x8",
        "distil_lenet-prune60xnnpack-sparse-float32",
    ],
)
def test_a_name_reads_back(name: str) -> None:
    assert parse_variant(name, "here").name == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[qat, prune: 0.5]", "prune after qat would undo it; write [prune, qat]"),
        ("[prune, distil]", "put distil first"),
        ("[channels: 0.5, distil: lenet]", "distil with a student begins a new model"),
        ("[qat, float16]", "qat trains for int8"),
        ("[float16, int8]", "two formats"),
        ("[qat, qat]", "qat is listed twice"),
        ("sparse", "only prune creates zeros"),
        ("[prune: 0.8, sparse]", "has no kernels in LiteRT"),
        ("prun", "Did you mean 'prune'?"),
        ("{prune: {sparsity: 0.3, pattern: 2:4}}", "the pattern 2:4 means 0.5"),
        ("{channels: {ratio: 0.3, macs: 0.3}}", "name only one target"),
        ("{channels: 0.99}", "out of range"),
        ("{cluster: 1}", "out of range"),
        ("{qat: 3}", "expected keys and values"),
        ("channels0", "ratio: 0.0 is out of range; allowed: from 0.01 to 0.95"),
        ("channels100macs", "macs: 1.0 is out of range"),
        ("prune100-int8", "sparsity: 1.0 is out of range; allowed: from 0.05 to 0.99"),
        ("cluster1", "clusters: 1 is out of range"),
        ("[]", "the list is empty"),
        ("{channels: 0.5, qat: 1}", "expected a word or 'technique: value'"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=re.escape(said)):
        parse_variant(text, "here")


def test_a_recipe_with_variants_prints_and_parses_back() -> None:
    text = (
        "data: {source: x}\nmodel: lenet\nconvert:\n  variants:\n"
        "    - int8\n    - channels: {macs: 0.4}\n    - [prune: 0.8, qat]\n    - distil: lenet\n"
        "    - prune80-sparse-float32\n  remedies: [selective, qat]\n"
    )
    recipe = parse_recipe(text, "here")
    assert parse_recipe(dump(recipe), "there") == recipe
    names = [v.name for v in recipe.convert.variants]
    assert names == ["int8", "channels40macs", "prune80-qat", "distil_lenet", names[-1]]


def test_a_number_in_a_name_is_out_of_range_where_it_stands() -> None:
    text = "data: {source: x}\nmodel: lenet\nconvert:\n  variants:\n    - int8\n    - channels0\n"
    with pytest.raises(SpecError, match=r"^here:6: .*ratio: 0.0 is out of range"):
        parse_recipe(text, "here")


def test_two_variants_of_one_name_would_be_one_file() -> None:
    text = "data: {source: x}\nmodel: lenet\nconvert: {variants: [channels: 0.5, channels50]}\n"
    with pytest.raises(SpecError, match="channels50 twice"):
        parse_recipe(text, "here")


def test_the_target_of_channels() -> None:
    assert Channels().target == ("ratio", 0.5)
    assert Channels(macs=0.3).target == ("macs", 0.3)
    assert Variant(techniques=(Channels(latency=0.5),)).name == "channels50latency"

"""Budgets of a search: units, and what is none."""

from __future__ import annotations

import pytest

from cnnedge.conversion.budget import Budget, parse_budget
from cnnedge.errors import SpecError


@pytest.mark.parametrize(
    ("texts", "budget"),
    [
        (["latency=10ms"], Budget(latency_ms=10.0)),
        (["latency=250us", "size=1MB"], Budget(latency_ms=0.25, size_bytes=1e6)),
        (["size=100 KiB"], Budget(size_bytes=102400.0)),
        (["latency=1.5s"], Budget(latency_ms=1500.0)),
        (["size=90kb"], Budget(size_bytes=90e3)),
    ],
)
def test_units(texts: list[str], budget: Budget) -> None:
    assert parse_budget(texts) == budget


@pytest.mark.parametrize(
    "texts",
    [
        ["latency"],
        ["latency=10"],
        ["latency=10MB"],
        ["speed=3ms"],
        ["size=0KB"],
        ["size=1.2.3MB"],
        ["latency=1ms", "latency=2ms"],
    ],
)
def test_what_is_no_budget_is_said(texts: list[str]) -> None:
    with pytest.raises(SpecError, match="--budget"):
        parse_budget(texts)


def test_a_budget_holds_both() -> None:
    budget = Budget(latency_ms=2.0, size_bytes=100.0)
    assert budget.holds(2.0, 100.0)
    assert not budget.holds(2.1, 100.0)
    assert not budget.holds(2.0, 101.0)
    assert Budget().holds(1e9, 1e9)

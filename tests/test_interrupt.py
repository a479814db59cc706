"""Ctrl-C is noted at once and raised where it does no harm."""

from __future__ import annotations

import signal

import pytest

from cnnedge.training import interrupt
from cnnedge.training.interrupt import held_back


@pytest.fixture(autouse=True)
def pythons_own_handler() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_an_interrupt_waits_for_the_next_check() -> None:
    with pytest.raises(KeyboardInterrupt), held_back() as check:
        check()
        signal.raise_signal(signal.SIGINT)
        reached = True
        check()
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_later_one_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupt, "_AGAIN_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt), held_back():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second Ctrl-C was held back")


def test_six_at_once_are_one() -> None:
    with held_back() as check:
        for _ in range(6):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check()
        check()


def test_another_handler_is_left_alone() -> None:
    seen: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    with held_back() as check:
        signal.raise_signal(signal.SIGINT)
        check()
    assert seen == [signal.SIGINT]

"""A slot changes its model in one assignment; the loader never touches what plays."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from live.messages import Ready, Refused
from live.slot import NotReady, Slot


class Loads:
    """A loader that can be held up, and remembers."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.open = threading.Event()
        self.open.set()

    def __call__(self, key: str) -> list[str]:
        self.calls.append(key)
        self.open.wait(5)
        if key.startswith("bad"):
            raise ValueError("two\nlines")
        if key == "silent":
            raise RuntimeError
        return [key]


@pytest.fixture
def loads() -> Loads:
    return Loads()


@pytest.fixture
def slot(loads: Loads) -> Iterator[Slot[list[str]]]:
    made: Slot[list[str]] = Slot(loads)
    yield made
    loads.open.set()
    made.close()


def news(slot: Slot[list[str]], count: int = 1) -> list[Ready | Refused]:
    found: list[Ready | Refused] = []
    until = time.monotonic() + 5
    while len(found) < count and time.monotonic() < until:
        found += slot.news()
        time.sleep(0.001)
    return found


def test_prepare_then_go(slot: Slot[list[str]]) -> None:
    assert slot.current is None
    slot.prepare("a")
    (answer,) = news(slot)
    assert isinstance(answer, Ready)
    assert answer.model == "a"
    assert answer.seconds >= 0
    assert slot.ready("a")
    assert slot.current is None
    slot.go("a")
    assert slot.current == ["a"]
    assert slot.current_key == "a"


def test_go_of_what_is_not_loaded_leaves_the_old_one(slot: Slot[list[str]], loads: Loads) -> None:
    slot.prepare("a")
    news(slot)
    slot.go("a")
    loads.open.clear()
    slot.prepare("b")
    with pytest.raises(NotReady):
        slot.go("b")
    assert slot.current_key == "a"


def test_a_refusal_is_one_line_and_may_be_tried_again(slot: Slot[list[str]], loads: Loads) -> None:
    slot.prepare("bad")
    assert news(slot) == [Refused("bad", "two lines")]
    slot.prepare("bad")
    assert news(slot) == [Refused("bad", "two lines")]
    slot.prepare("silent")
    assert news(slot) == [Refused("silent", "RuntimeError")]
    assert loads.calls == ["bad", "bad", "silent"]


def test_asked_twice_loaded_once(slot: Slot[list[str]], loads: Loads) -> None:
    loads.open.clear()
    slot.prepare("a")
    slot.prepare("a")
    loads.open.set()
    assert len(news(slot)) == 1
    slot.prepare("a")
    assert news(slot) == [Ready("a", 0.0)]
    assert loads.calls == ["a"]


def test_what_performs_goes_on_when_forgotten(slot: Slot[list[str]], loads: Loads) -> None:
    slot.prepare("a")
    news(slot)
    slot.go("a")
    slot.forget("a")
    slot.forget("never seen")
    assert slot.current == ["a"]
    assert not slot.ready("a")
    slot.prepare("a")
    news(slot)
    assert loads.calls == ["a", "a"]
    slot.go("a")


def test_forgotten_while_it_loads_does_not_come_back(slot: Slot[list[str]], loads: Loads) -> None:
    loads.open.clear()
    slot.prepare("a")
    while not loads.calls:
        time.sleep(0.001)
    slot.prepare("b")
    slot.forget("a")
    slot.forget("b")
    loads.open.set()
    slot.prepare("c")
    assert [answer.model for answer in news(slot)] == ["c"]
    assert not slot.ready("a")
    assert loads.calls == ["a", "c"]


def test_nothing_waits_for_the_loader(slot: Slot[list[str]], loads: Loads) -> None:
    slot.prepare("a")
    news(slot)
    loads.open.clear()
    slot.prepare("b")
    began = time.monotonic()
    for _ in range(1000):
        slot.go("a")
        slot.news()
        assert slot.current is not None
    slot.forget("b")
    assert time.monotonic() - began < 3, "the loader is held up for five seconds"


def test_put_holds_what_exists_already(slot: Slot[list[str]], loads: Loads) -> None:
    slot.put("bypass", ["here"])
    slot.go("bypass")
    assert slot.current == ["here"]
    assert not loads.calls

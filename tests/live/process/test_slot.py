"""A slot changes its model in one assignment; the loader never touches the model that performs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from live.process.load_limit import load_limit_s
from live.process.messages import Ready, Refused
from live.process.slot import LOAD_LIMIT_S, NotReady, Slot


class FakeLoader:
    """A loader that waits while `open` is cleared, and records its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self.held: dict[str, threading.Event] = {}
        """Models that wait for an event of their own."""
        self.seconds = 0.0

    def __call__(self, key: str) -> list[str]:
        self.calls.append(key)
        time.sleep(self.seconds)
        self.held.get(key, self.open).wait(5)
        if key.startswith("bad"):
            raise ValueError("two\nlines")
        if key == "silent":
            raise RuntimeError
        return [key]


@pytest.fixture
def loader() -> FakeLoader:
    return FakeLoader()


@pytest.fixture
def slot(loader: FakeLoader) -> Iterator[Slot[list[str]]]:
    made: Slot[list[str]] = Slot(loader)
    yield made
    loader.open.set()
    made.close()


@pytest.fixture
def hasty(loader: FakeLoader) -> Iterator[tuple[Slot[list[str]], list[str]]]:
    """A slot that gives a model 0.3 s, and what it closed."""
    closed: list[str] = []
    made: Slot[list[str]] = Slot(loader, close=closed.extend, load_limit_s=0.3)
    yield made, closed
    loader.open.set()
    made.close()
    for thread in threading.enumerate():
        if thread.name == "slot-loader":
            thread.join(5)


def answers(slot: Slot[list[str]], count: int = 1) -> list[Ready | Refused]:
    found: list[Ready | Refused] = []
    until = time.monotonic() + 5
    while len(found) < count and time.monotonic() < until:
        found += slot.answers()
        time.sleep(0.001)
    return found


def test_prepare_then_go(slot: Slot[list[str]]) -> None:
    assert slot.current is None
    slot.prepare("a")
    (answer,) = answers(slot)
    assert isinstance(answer, Ready)
    assert answer.model == "a"
    assert answer.seconds >= 0
    assert slot.is_ready("a")
    assert slot.current is None
    slot.go("a")
    assert slot.current == ["a"]
    assert slot.current_key == "a"


def test_go_to_a_model_that_is_not_loaded_keeps_the_old_one(slot: Slot[list[str]], loader: FakeLoader) -> None:
    slot.prepare("a")
    answers(slot)
    slot.go("a")
    loader.open.clear()
    slot.prepare("b")
    with pytest.raises(NotReady):
        slot.go("b")
    assert slot.current_key == "a"


def test_a_refusal_is_one_line_and_may_be_tried_again(slot: Slot[list[str]], loader: FakeLoader) -> None:
    slot.prepare("bad")
    assert answers(slot) == [Refused("bad", "two lines")]
    slot.prepare("bad")
    assert answers(slot) == [Refused("bad", "two lines")]
    slot.prepare("silent")
    assert answers(slot) == [Refused("silent", "RuntimeError")]
    assert loader.calls == ["bad", "bad", "silent"]


def test_a_model_requested_twice_is_loaded_once(slot: Slot[list[str]], loader: FakeLoader) -> None:
    loader.open.clear()
    slot.prepare("a")
    slot.prepare("a")
    loader.open.set()
    assert len(answers(slot)) == 1
    slot.prepare("a")
    assert answers(slot) == [Ready("a", 0.0)]
    assert loader.calls == ["a"]


def test_a_performing_model_goes_on_when_it_is_forgotten(slot: Slot[list[str]], loader: FakeLoader) -> None:
    slot.prepare("a")
    answers(slot)
    slot.go("a")
    slot.forget("a")
    slot.forget("never seen")
    assert slot.current == ["a"]
    assert not slot.is_ready("a")
    slot.prepare("a")
    answers(slot)
    assert loader.calls == ["a", "a"]
    slot.go("a")


def test_a_model_forgotten_while_it_loads_is_not_added(slot: Slot[list[str]], loader: FakeLoader) -> None:
    loader.open.clear()
    slot.prepare("a")
    while not loader.calls:
        time.sleep(0.001)
    slot.prepare("b")
    slot.forget("a")
    slot.forget("b")
    loader.open.set()
    slot.prepare("c")
    assert [answer.model for answer in answers(slot)] == ["c"]
    assert not slot.is_ready("a")
    assert loader.calls == ["a", "c"]


def test_the_loop_never_waits_for_the_loader(slot: Slot[list[str]], loader: FakeLoader) -> None:
    slot.prepare("a")
    answers(slot)
    loader.open.clear()
    slot.prepare("b")
    began = time.monotonic()
    for _ in range(1000):
        slot.go("a")
        slot.answers()
        assert slot.current is not None
    slot.forget("b")
    assert time.monotonic() - began < 3, "the loader is held up for five seconds"


def test_put_adds_a_loaded_model(slot: Slot[list[str]], loader: FakeLoader) -> None:
    slot.put("bypass", ["here"])
    slot.go("bypass")
    assert slot.current == ["here"]
    assert not loader.calls


def test_a_model_that_does_not_finish_is_refused_and_the_next_one_loads(
    hasty: tuple[Slot[list[str]], list[str]], loader: FakeLoader
) -> None:
    slot, closed = hasty
    loader.held["hangs"] = threading.Event()
    slot.prepare("hangs")
    slot.prepare("next")
    refused, ready = answers(slot, 2)
    assert refused == Refused("hangs", "not loaded and warmed within 0 s")
    assert isinstance(ready, Ready)
    assert not slot.is_ready("hangs")
    slot.prepare("hangs")
    assert slot.answers() == [refused], "at once: it still hangs"
    assert loader.calls == ["hangs", "next"]
    loader.held["hangs"].set()
    while "hangs" not in closed:
        time.sleep(0.001)
    assert not slot.is_ready("hangs")
    slot.prepare("hangs")
    assert [type(answer) for answer in answers(slot)] == [Ready], "what came too late was closed; it may be tried again"
    assert slot.is_ready("hangs")


def test_the_time_begins_with_the_loading(hasty: tuple[Slot[list[str]], list[str]], loader: FakeLoader) -> None:
    slot, _ = hasty
    loader.seconds = 0.06
    for key in "abcdef":
        slot.prepare(key)
    assert [type(answer) for answer in answers(slot, 6)] == [Ready] * 6


def test_time_in_which_the_machine_stood_still_does_not_count(
    hasty: tuple[Slot[list[str]], list[str]], loader: FakeLoader
) -> None:
    slot, _ = hasty
    loader.open.clear()
    slot.prepare("a")
    while not loader.calls:
        time.sleep(0.001)
    slot.answers()
    time.sleep(0.6)  # neither the loop nor the loader runs
    assert slot.answers() == []
    loader.open.set()
    assert [type(answer) for answer in answers(slot)] == [Ready]


def test_a_model_forgotten_while_it_loads_is_closed(
    hasty: tuple[Slot[list[str]], list[str]], loader: FakeLoader
) -> None:
    slot, closed = hasty
    loader.open.clear()
    slot.prepare("a")
    while not loader.calls:
        time.sleep(0.001)
    slot.forget("a")
    loader.open.set()
    slot.prepare("b")
    answers(slot)
    assert closed == ["a"]
    assert slot.loaded == ["b"]


def test_a_model_that_a_gpu_builds_or_tunes_has_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.runtime.providers.gpu_unavailable_reason", lambda: "there is none")
    assert load_limit_s("auto") == load_limit_s("cpu") == LOAD_LIMIT_S
    assert load_limit_s("TensorRT") > 600
    monkeypatch.setattr("export.runtime.providers.gpu_unavailable_reason", lambda: None)
    assert LOAD_LIMIT_S == load_limit_s("cpu") < load_limit_s("auto") < load_limit_s("tensorrt")

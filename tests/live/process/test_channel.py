"""A channel over a real pipe: what is dropped while the other side does not read, and what ends it."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest

from live.process.channel import Channel
from live.process.engine_link import EngineLink
from live.process.messages import AudioChunk, Command, Event, Go, Heartbeat, Note, Panic, Ready, SetParameter
from live.process.metrics import PictureMetrics

Ends = tuple[Channel[Command, Event], "Connection[Event, Command]"]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A channel that runs, and the bare other end of its pipe."""
    ours, theirs = multiprocessing.Pipe()
    channel: Channel[Command, Event] = Channel(ours, "test")
    channel.start()
    yield channel, theirs
    theirs.close()
    assert channel.join(10.0)


def read(connection: Connection[Event, Command], last: Command) -> list[object]:
    """What arrives, up to this message."""
    found: list[object] = []
    while not found or found[-1] != last:
        assert connection.poll(10.0), found[-3:]
        found.append(connection.recv())
    return found


def test_orders_reach_a_side_that_did_not_read_for_long(ends: Ends) -> None:
    channel, theirs = ends
    channel.send(Go(1, "x" * 300_000))  # more than a pipe holds: the writing thread waits
    orders: list[Command] = [Panic(True), Go(2, "two")]
    for order in orders:
        channel.send(order)
    for value in range(2000):
        channel.send(SetParameter("sound/gain", float(value)))
    found = read(theirs, SetParameter("sound/gain", 1999.0))
    assert [message for message in found if message in orders] == orders
    assert len(found) < 600, "older values have made room for newer ones"


def test_the_newest_value_of_each_parameter_reaches_a_side_that_did_not_read_for_long(ends: Ends) -> None:
    channel, theirs = ends
    channel.send(Go(1, "x" * 300_000))
    channel.send(SetParameter("sound/mute", 1.0))
    for value in range(2000):
        channel.send(SetParameter("sound/gain", float(value)))
    found = read(theirs, SetParameter("sound/gain", 1999.0))
    assert SetParameter("sound/mute", 1.0) in found, "nothing replaces it, however old it is"
    assert len(found) < 600


def test_a_message_that_cannot_be_sent_is_lost_alone(ends: Ends) -> None:
    channel, theirs = ends
    channel.send(Go(1, "one", set={"picture/x": threading.Lock()}))  # type: ignore[dict-item]
    channel.send(Panic(True))
    assert read(theirs, Panic(True)) == [Panic(True)]
    channel.flush(10.0)


def test_flush_waits_until_all_is_written(ends: Ends) -> None:
    channel, theirs = ends
    for _ in range(50):
        channel.send(Panic(True))
    channel.flush(10.0)
    assert all(theirs.poll(0) and theirs.recv() == Panic(True) for _ in range(50))


def test_a_message_can_be_taken_when_its_arrival_is_told() -> None:
    ours, theirs = multiprocessing.Pipe()
    taken: list[list[Event]] = []
    told = threading.Event()

    def on_message(event: Event) -> None:
        taken.append(channel.take())
        told.set()

    channel: Channel[Command, Event] = Channel(ours, "test", on_message)
    channel.start()
    try:
        theirs.send(Note("hello"))
        assert told.wait(10.0)
        assert taken == [[Note("hello")]]
    finally:
        theirs.close()
        assert channel.join(10.0)


def test_the_newest_heartbeats_are_kept_while_nobody_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.process.channel._MAX_INBOX", 5)
    ours, theirs = multiprocessing.Pipe()
    channel: Channel[Command, Event] = Channel(ours, "test")
    channel.start()
    try:
        theirs.send(Note("first"))
        for beat in range(20):
            theirs.send(Heartbeat(float(beat), PictureMetrics()))
        theirs.close()
        assert channel.ended.wait(10.0)
        events = channel.take()
        assert events[0] == Note("first")
        assert [event.at for event in events if isinstance(event, Heartbeat)] == [16.0, 17.0, 18.0, 19.0]
    finally:
        assert channel.join(10.0)


def test_answers_are_never_lost_and_lost_sound_is_told() -> None:
    ours, theirs = multiprocessing.Pipe()
    link = EngineLink(ours)
    try:
        link.send(Note("x" * 300_000))  # more than a pipe holds: the operator's process stands still
        answers = [Ready(str(number), 0.0) for number in range(700)]
        for answer in answers:
            link.send(answer)
        for number in range(50):
            link.send(AudioChunk(float(number), b"", 48000))
        link.send(Heartbeat(1.0, PictureMetrics()))
        found = read(theirs, Note("50 pieces of sound were not passed on: the operator's program stood still"))
        assert [message for message in found if isinstance(message, Ready)] == answers
    finally:
        theirs.close()
        link.close()

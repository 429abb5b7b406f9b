"""Messages between the two processes: whole or refused, whatever stands in them, and no end ever waits."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from live.stage_window.link import MessageLink
from live.stage_window.messages import (
    BadMessage,
    BecomeWindow,
    CloseStage,
    Drawn,
    FillScreen,
    KeyPressed,
    Placed,
    Present,
    ShowFrames,
    ShowSafe,
    SignOfLife,
    StageMessage,
    StageNotice,
    Staleness,
    TakenOver,
    UseSafePicture,
    Waiting,
    decode,
    encode,
)

EXAMPLES: list[StageMessage] = [
    SignOfLife(),
    ShowFrames("psm_1", 921600, 4),
    ShowSafe(True),
    UseSafePicture(None),
    UseSafePicture("/a show/säfe\n.png"),
    Present(True, 90, "cover"),
    FillScreen("HDMI-1"),
    BecomeWindow(),
    BecomeWindow(-1, 20),
    CloseStage(),
    Waiting(1, "xcb||:0", None),
    Placed("HDMI-1", False, True, True, 1920, 1080),
    Staleness(False),
    Drawn(()),
    Drawn((0.02, 0.5)),
    StageNotice("one line"),
    KeyPressed(32, 0),
    TakenOver(),
]


@pytest.mark.parametrize("message", EXAMPLES, ids=repr)
def test_a_message_arrives_as_it_was(message: StageMessage) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode(line) == message


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b'["SignOfLife"]',
        b'["Unknown", {}]',
        b'[["SignOfLife"], {}]',
        b'["SignOfLife", []]',
        b'["SignOfLife", {"more": 1}]',
        b'["ShowSafe", {}]',
        b'["ShowSafe", {"on": 1}]',
        b'["ShowSafe", {"on": "yes"}]',
        b'["ShowFrames", {"name": "x", "slot_bytes": true, "slots": 4}]',
        b'["ShowFrames", {"name": "x", "slot_bytes": 1.5, "slots": 4}]',
        b'["BecomeWindow", {"x": "1", "y": null}]',
        b'["Drawn", {"latencies_s": [NaN]}]',
        b'["Drawn", {"latencies_s": ["x"]}]',
        b'["Drawn", {"latencies_s": "12"}]',
        b"[" * 100_000,
    ],
    ids=lambda line: line[:40],
)
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(line)


@pytest.fixture
def ends() -> Iterator[tuple[MessageLink, socket.socket]]:
    """A link, and what is at its other end."""
    ours, theirs = socket.socketpair()
    link = MessageLink(ours)
    theirs.settimeout(10.0)
    yield link, theirs
    link.close()
    theirs.close()


def test_messages_in_pieces_arrive_whole_and_in_order(ends: tuple[MessageLink, socket.socket]) -> None:
    link, other = ends
    data = b"".join(map(encode, EXAMPLES))
    received: list[StageMessage] = []
    for at in range(0, len(data), 7):
        other.sendall(data[at : at + 7])
        received += link.receive()
    assert received == EXAMPLES
    assert not link.closed


def test_a_side_that_does_not_read_makes_nobody_wait(ends: tuple[MessageLink, socket.socket]) -> None:
    link, other = ends
    sent = 0
    while link.clear:
        link.send(StageNotice("x" * 1000))
        sent += 1
    link.send(CloseStage())
    reader = MessageLink(other)
    received: list[StageMessage] = []
    while CloseStage() not in received:
        received += reader.receive()
        link.flush()
    assert len(received) == sent + 1, "nothing is lost on the way"


def test_a_side_that_never_reads_is_given_up(ends: tuple[MessageLink, socket.socket]) -> None:
    link, _ = ends
    for _ in range(3000):
        link.send(StageNotice("x" * 1000))
    assert link.closed


@pytest.mark.parametrize("sent", [b"what is this?\n", b"x" * 200_000], ids=["no message", "no end"])
def test_a_stranger_is_cut_off(ends: tuple[MessageLink, socket.socket], sent: bytes) -> None:
    link, other = ends
    other.setblocking(False)
    while not link.closed and sent:
        sent = sent[other.send(sent) :]
        assert link.receive() == []
    assert link.closed


def test_what_was_said_before_the_end_is_still_heard(ends: tuple[MessageLink, socket.socket]) -> None:
    link, other = ends
    other.sendall(encode(TakenOver()))
    other.close()
    assert link.receive() == [TakenOver()]
    assert link.closed
    link.send(SignOfLife())
    assert link.receive() == []


def test_a_file_descriptor_comes_with_its_message(ends: tuple[MessageLink, socket.socket]) -> None:
    link, other = ends
    reader, writer = os.pipe()
    link.send(ShowFrames("psm_1", 3, 3), [reader])
    os.close(reader)
    receiver = MessageLink(other)
    assert receiver.receive() == [ShowFrames("psm_1", 3, 3)]
    taken = receiver.take_fd()
    assert taken is not None
    os.write(writer, b"!")
    assert os.read(taken, 1) == b"!"
    assert receiver.take_fd() is None
    os.close(taken)
    os.close(writer)

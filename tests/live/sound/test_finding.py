"""Which device is meant by a name, and whether it is there for a PortAudio that was started afresh."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from live.sound.portaudio import NoDevice, find_device, has_host_api, probe_in_subprocess
from tests.live.sound.sound_cards import Card, System
from tests.live.sound.test_priority import real_time, urgently

PYTHON = sys.executable


def test_a_device_is_found_by_number_name_part_and_host() -> None:
    system = System(Card("hw:0 Scarlett"), Card("HDMI", ins=0), Card("Scarlett"), Card("jack scarlett"))
    for name, kind, index in (
        ("2", "input", 2),
        ("Scarlett", "input", 2),
        ("scarl", "input", 0),
        ("hdmi", "output", 1),
        ("JACK/scarlett", "output", 3),
        ("alsa/0", "input", 0),
        ("default", "input", 0),
        ("default", "output", 3),
    ):
        assert find_device(system, name, kind)["index"] == index, name


@pytest.mark.parametrize(("name", "kind"), [("golden", "input"), ("HDMI", "input"), ("7", "output")])
def test_what_is_not_there_is_answered_with_what_is(name: str, kind: str) -> None:
    with pytest.raises(NoDevice, match=rf'"{name}"; there are: .*ALSA/Scarlett'):
        find_device(System(Card("Scarlett"), Card("HDMI", ins=0)), name, kind)
    with pytest.raises(NoDevice, match="on this machine"):
        find_device(System(), name, kind)


def test_a_host_is_told_from_a_path() -> None:
    assert has_host_api("ALSA/pulse")
    assert has_host_api("wasapi/Speakers")
    assert not has_host_api("shows/one.wav")
    assert not has_host_api("alsa")


def test_another_process_answers_in_a_line() -> None:
    said = probe_in_subprocess("golden microphone", "input", threading.Event())
    assert "microphone" in said
    assert "\n" not in said


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What is run in place of the Python that looks."""
    script = tmp_path / "looking"
    monkeypatch.setattr(sys, "executable", str(script))
    script.touch(0o755)
    return script


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked for urgency")
def test_who_looks_is_as_urgent_as_any_other(looking: Path) -> None:
    looking.write_text(
        f"#!{PYTHON}\nimport os, time\ntime.sleep(0.1)\nprint(os.sched_getscheduler(0))\nraise SystemExit(1)\n"
    )

    def look() -> None:
        assert probe_in_subprocess("mic", "input", threading.Event()) == str(os.SCHED_OTHER)

    urgently(look, real_time)


def test_the_end_of_the_show_waits_for_nobody_who_looks(looking: Path) -> None:
    looking.write_text("#!/bin/sh\nexec sleep 30\n")
    closing = threading.Event()
    closing.set()
    began = time.monotonic()
    assert probe_in_subprocess("mic", "input", closing) == "looking for mic failed"
    assert time.monotonic() - began < 5

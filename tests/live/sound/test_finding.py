"""Finding a device by name, and probing it with a PortAudio in another process."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from live.sound.devices.portaudio import NoDevice, find_device, has_host_api, probe_in_subprocess
from tests.live.sound.sound_cards import Card, System
from tests.live.sound.test_priority import at_priority, make_real_time

PYTHON = sys.executable


def test_device_is_found_by_index_name_part_of_it_and_host_api() -> None:
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
def test_error_for_a_missing_device_lists_those_there_are(name: str, kind: str) -> None:
    with pytest.raises(NoDevice, match=rf'"{name}"; there are: .*ALSA/Scarlett'):
        find_device(System(Card("Scarlett"), Card("HDMI", ins=0)), name, kind)
    with pytest.raises(NoDevice, match="on this machine"):
        find_device(System(), name, kind)


def test_host_api_is_distinguished_from_a_path() -> None:
    assert has_host_api("ALSA/pulse")
    assert has_host_api("wasapi/Speakers")
    assert not has_host_api("shows/one.wav")
    assert not has_host_api("alsa")


def test_probe_answers_in_one_line() -> None:
    answer = probe_in_subprocess("golden microphone", "input", threading.Event())
    assert "microphone" in answer
    assert "\n" not in answer


@pytest.fixture
def fake_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A script that is run in place of the Python that probes."""
    script = tmp_path / "fake_python"
    monkeypatch.setattr(sys, "executable", str(script))
    script.touch(0o755)
    return script


@pytest.mark.skipif(sys.platform != "linux", reason="priorities are set on Linux alone")
def test_probe_runs_at_ordinary_priority(fake_python: Path) -> None:
    fake_python.write_text(
        f"#!{PYTHON}\nimport os, time\ntime.sleep(0.1)\nprint(os.sched_getscheduler(0))\nraise SystemExit(1)\n"
    )

    def probe() -> None:
        assert probe_in_subprocess("mic", "input", threading.Event()) == str(os.SCHED_OTHER)

    at_priority(probe, make_real_time)


def test_closing_does_not_wait_for_a_probe(fake_python: Path) -> None:
    fake_python.write_text("#!/bin/sh\nexec sleep 30\n")
    closing = threading.Event()
    closing.set()
    began = time.monotonic()
    assert probe_in_subprocess("mic", "input", closing) == "looking for mic failed"
    assert time.monotonic() - began < 5

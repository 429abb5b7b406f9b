"""Microphone and loudspeaker through the real PortAudio: a PulseAudio server of the test's own, one cable of two
channels with the microphone on its left and the loudspeaker on its right, so that a recording of the cable holds both
by one clock. `Devices` performs in a process of its own (tests/live/sound/dry_devices.py), which hands on what it
hears.

A null sink plays up to 2 s ahead unless somebody listens closely to it: hence `norewinds` and the recorder that runs
all along. Without them the ALSA bridge stands still for 2 s at a time, whoever uses it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from live.sound.priority import ROUND_ROBIN
from tests.conftest import DATA

RATE = 48_000
PERFORMER = Path(__file__).with_name("dry_devices.py")
HOUSE = Path(__file__).resolve().parents[3]
SILENCE_S = 0.4
DRIVER_S = 0.004
"""How far a sound server's own account of its latency may be out."""
MOST_PERFORMANCES = 8
STILL_S = 0.06
"""A microphone that brings nothing for so long has stalled in the driver, if our own loop was awake."""
MICROPHONE = "module-remap-source source_name=mic master=cable.monitor master_channel_map=front-left"
SPEAKER = "module-remap-sink sink_name=speaker master=cable master_channel_map=front-right"
ROOM = "module-remap-sink sink_name=room master=cable master_channel_map=front-left"
CABLE = "module-null-sink sink_name=cable rate=48000 format=float32le channels=2 channel_map=front-left,front-right"


def before_others(process: subprocess.Popen[Any]) -> None:
    """What stands for driver and room must be as little held up by a busy machine as they are, where the system allows
    it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(process.pid, os.SCHED_RR, os.sched_param(ROUND_ROBIN))


class Server:
    """A PulseAudio server that nobody else knows."""

    def __init__(self, folder: Path, name: str, modules: list[str]) -> None:
        self.socket = folder / f"{name}.socket"
        self.home = folder / name
        self.home.mkdir(exist_ok=True, mode=0o700)
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PULSE", "DBUS", "XDG", "ALSA"))},
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(self.home),
            "PULSE_SERVER": f"unix:{self.socket}",
            "PULSE_COOKIE": str(self.home / "cookie"),
        }
        self.log = self.home / "log"
        loads = [f"module-native-protocol-unix socket={self.socket} auth-anonymous=1", *modules]
        flags = [
            "-n",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "--use-pid-file=no",
            "--disable-shm=yes",
            "--log-level=debug",
            "--log-time",
        ]
        with self.log.open("w") as log:
            self._server = subprocess.Popen(
                ["pulseaudio", *flags, *(part for load in loads for part in ("-L", load))],
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 5
        while subprocess.run(["pactl", "info"], env=self.environment, capture_output=True, check=False).returncode:
            if time.monotonic() > until or self._server.poll() is not None:
                self.close()
                pytest.fail(f"no PulseAudio server: {self.log.read_text()}")
            time.sleep(0.05)
        before_others(self._server)  # now: while it starts it puts itself back

    def underruns(self) -> int:
        """How often, by its own log, a stream had nothing to give when it was asked. It tells neither the stream's
        owner nor ALSA."""
        return self.log.read_text().lower().count("underrun")

    def driver_underruns(self) -> int:
        """Those of the loudspeaker's stream."""
        return sum("underrun" in line.lower() and "'ALSA" in line for line in self.log.read_text().splitlines())

    def close(self) -> None:
        if self._server.poll() is None:
            self._server.send_signal(signal.SIGTERM)
            try:
                self._server.wait(3)
            except subprocess.TimeoutExpired:
                self._server.kill()
        self._server.wait()
        self.socket.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server, its cable, and ALSA's names for the ends of it."""
    for tool in ("pulseaudio", "pactl", "paplay", "parec"):
        if shutil.which(tool) is None:
            reason = f"no {tool}: apt install pulseaudio pulseaudio-utils libasound2-plugins"
            if os.environ.get("GUISE_DATA_REQUIRED"):
                pytest.fail(reason)
            pytest.skip(reason)
    folder = tmp_path_factory.mktemp("room")
    mono = "channels=1 channel_map=mono remix=no"
    modules = [f"{CABLE} norewinds=1", f"{ROOM} {mono}", f"{SPEAKER} {mono}", f"{MICROPHONE} {mono}"]
    server = Server(folder, "main", modules)
    ends = {
        "stage_mic": (server.socket, "mic"),
        "stage_speaker": (server.socket, "speaker"),
        "far_speaker": (folder / "far.socket", "far"),
    }
    (folder / ".asoundrc").write_text(
        "".join(f'pcm.{name} {{ type pulse server "unix:{at}" device "{end}" }}\n' for name, (at, end) in ends.items())
        + "pcm.stage { type asym playback.pcm stage_speaker capture.pcm stage_mic }\n"
    )
    yield server
    server.close()


class Performance:
    """The process with the Devices, and a recording of the cable."""

    def __init__(self, server: Server, mic: str, speaker: str, block: int = 480) -> None:
        self._server = server
        self._underruns = self._opened_with = 0
        self._recording = server.home / "cable.raw"
        wanted = ["--device=cable.monitor", "--format=float32le", "--rate=48000", "--channels=2", "--latency-msec=10"]
        with self._recording.open("wb") as recording:
            self._recorder = subprocess.Popen(["parec", "--raw", *wanted], env=server.environment, stdout=recording)
        before_others(self._recorder)
        time.sleep(0.3)
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", str(PERFORMER), mic, speaker, str(RATE), str(block), str(server.home)],
            env={**server.environment, "PYTHONPATH": str(HOUSE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # ALSA talks about every device it cannot have
            text=True,
        )
        self.said: list[tuple[str, str, float]] = []
        self.metrics: dict[str, Any] = {}

    def wait_for(self, what: str) -> str:
        """Until the Devices say it."""
        while True:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            assert line, f"ended without {what}: {self.said}"
            told, text, at = json.loads(line)
            self.said.append((told, text, at))
            if told == what:
                self._opened_with = self._server.driver_underruns()
                return str(text)

    def speak(self, path: Path) -> None:
        """Into the microphone; what the server misses while it lasts is counted."""
        words = ["paplay", "--device=room", "--latency-msec=50", str(path)]
        with subprocess.Popen(words, env=self._server.environment) as player:
            before_others(player)
            time.sleep(SILENCE_S - 0.1)  # a player begins with an underrun of its own
            before = self._server.underruns()
            assert player.wait(10) == 0
        lost_before = self._server.driver_underruns() - self._opened_with  # each makes all that follows later
        self._underruns = max(self._server.underruns() - before, lost_before)

    def end(self) -> tuple[np.ndarray, np.ndarray]:
        """What was said and what was played, by one clock."""
        time.sleep(0.3)
        try:
            out, _ = self._process.communicate("", timeout=10)
            self.metrics = json.loads(out.splitlines()[-1])
        finally:
            self.close()
        cable = np.fromfile(self._recording, np.float32)
        cable = cable[: len(cable) // 2 * 2].reshape(-1, 2)
        return cable[:, 0], cable[:, 1]

    def close(self) -> None:
        for process in (self._process, self._recorder):
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def disturbed(self, said: np.ndarray, played: np.ndarray) -> str:
        """Whether driver, server or machine stood still or lost sound, which says nothing of ours: between the room
        and what the driver brought, or between what was put into a ring that did not run dry and the room."""
        if self.metrics["xruns"] == 0 and wander(said, played) < RATE // 1000:
            return ""
        heard, laid = (np.load(self._server.home / f"{name}.npy") for name in ("heard", "laid"))
        if self.metrics["asleep_s"] > 0.015:
            return f"the machine let the loop wait for {self.metrics['asleep_s']:.3f} s"
        if self.metrics["still_s"] > STILL_S:
            return f"the driver brought nothing for {self.metrics['still_s']:.3f} s"
        if self.metrics["driver_xruns"] or self._underruns:
            return f"driver and server lost sound {self.metrics['driver_xruns']} and {self._underruns} times"
        if wander(said, heard) > 2:
            return "the driver lost sound of the microphone and did not tell"
        if self.metrics["xruns"] == 0 and wander(laid, played) > 2:
            return "the driver lost sound of the loudspeaker and did not tell"
        return ""


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 s of LJ Speech, or of something with its rhythm."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    spoken = DATA / "speech" / "ljspeech" / "LJ001-0001.wav"
    if spoken.is_file():
        sound, rate = soundfile.read(spoken, frames=3 * 22_050, dtype="float32")
    else:
        rate, rng = 22_050, np.random.default_rng(1)
        t = np.arange(3 * rate) / rate
        voiced = np.sign(np.sin(2 * np.pi * (120 * t + 4 * np.sin(2 * np.pi * 1.3 * t))))
        hiss = np.convolve(rng.standard_normal(len(t)), np.hanning(9), "same")
        sound = 0.1 * np.abs(np.sin(2 * np.pi * 2.1 * t)) * (voiced + 0.3 * hiss)
    soundfile.write(path, np.concatenate([np.zeros(round(SILENCE_S * rate)), sound]), rate)
    return path


def through(room: Server, speech: Path, mic: str, speaker: str) -> tuple[Performance, np.ndarray, np.ndarray]:
    """One performance that nothing disturbed, of so many at most: where nobody may be urgent, every second one is."""
    for _ in range(MOST_PERFORMANCES):
        performance = Performance(room, mic, speaker)
        try:
            performance.wait_for("open")
            time.sleep(0.4)
            performance.speak(speech)
        except BaseException:
            performance.close()
            raise
        said, played = performance.end()
        why = performance.disturbed(said, played)
        if not why:
            return performance, said, played
    pytest.fail(f"disturbed {MOST_PERFORMANCES} times, at last: {why}")


def start_s() -> float:
    """How long a process takes here and now until it has done something."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import numpy"], check=True)
    return time.perf_counter() - began


def pieces(said: np.ndarray, played: np.ndarray) -> Iterator[tuple[int, float, float]]:
    """Of every tenth of a second of speech that is loud enough: its delay in samples, how alike it is there (1 is the
    same), and the largest difference."""
    length, around = RATE // 10, RATE // 20
    whole = 1 << (len(said) + len(played)).bit_length()
    shift = int(np.argmax(np.fft.irfft(np.fft.rfft(played, whole) * np.conj(np.fft.rfft(said, whole)))))
    shift -= whole if shift > len(played) else 0
    margin = around + max(-shift, 0)
    played = np.concatenate([np.zeros(margin), played, np.zeros(len(said) + 2 * around)])
    spoken = np.flatnonzero(np.abs(said) > 0.01)
    for begin in range(spoken[0], spoken[-1] - length, length):
        piece = said[begin : begin + length]
        if np.sqrt(np.mean(piece**2)) < 0.01:
            continue
        first = begin + shift + margin - around
        heard = played[first : first + length + 2 * around]
        energy = np.cumsum(np.concatenate([[0.0], heard**2]))
        found = np.correlate(heard, piece, "valid") / np.sqrt(energy[length:] - energy[:-length] + 1e-3)
        at = int(np.argmax(found))
        there = heard[at : at + length]
        alike = float(np.dot(there, piece) / np.sqrt(np.dot(there, there) * np.dot(piece, piece) + 1e-9))
        yield shift - around + at, alike, float(np.abs(there - piece).max())


def wander(said: np.ndarray, played: np.ndarray) -> int:
    """Samples between the least and the most delay; no speech at all wanders far."""
    if np.abs(said).max(initial=0.0) < 0.01 or np.abs(played).max(initial=0.0) < 0.01:
        return RATE
    return int(np.ptp([delay for delay, _, _ in pieces(smooth(said), smooth(played))]))


def smooth(sound: np.ndarray) -> np.ndarray:
    """Without the hiss, to which half a sample of delay is much."""
    return np.convolve(sound, np.hanning(16) / 7.5, "same")


def test_one_stream_passes_every_sample_at_the_latency_it_says(room: Server, speech: Path) -> None:
    performance, said, played = through(room, speech, "stage", "stage")
    metrics = performance.metrics
    found = list(pieces(said, played))
    assert len(found) > 10
    delays = {delay for delay, _, _ in found}
    assert len(delays) == 1, "not one sample more or less"
    assert max(difference for _, _, difference in found) < 1e-4, "and every one the same"
    (delay,) = delays
    told_s = 480 / RATE + metrics["mic_latency_s"] + metrics["speaker_latency_s"]
    assert abs(delay / RATE - told_s) < DRIVER_S, (delay / RATE, metrics)
    assert metrics["drift_ppm"] is None
    assert metrics["xruns"] == 0
    assert metrics["least_in_hand_s"] > 0.005


def test_two_streams_are_held_together(room: Server, speech: Path) -> None:
    performance, said, played = through(room, speech, "stage_mic", "ALSA/stage_speaker")
    metrics = performance.metrics
    found = list(pieces(smooth(said), smooth(played)))
    assert len(found) > 10
    delays = np.array([delay for delay, _, _ in found]) / RATE
    assert np.ptp(delays) < 0.001, "no hole, no repeat"
    assert min(alike for _, alike, _ in found) > 0.99
    told_s = 480 / RATE + metrics["mic_latency_s"] + metrics["speaker_latency_s"]
    assert abs(np.median(delays) - told_s) < DRIVER_S + 0.002, (delays, metrics)  # the first seconds of steering
    assert abs(metrics["drift_ppm"]) < 300
    assert metrics["xruns"] == 0


def test_a_loudspeaker_that_goes_comes_back_and_the_microphone_goes_on(room: Server, speech: Path) -> None:
    far = [CABLE.replace("sink_name=cable", "sink_name=far") + " norewinds=1"]
    server = Server(room.home.parent, "far", far)
    performance = Performance(room, "stage_mic", "far_speaker")
    try:
        performance.wait_for("open")
        time.sleep(0.5)
        server.close()
        assert "far_speaker" in performance.wait_for("lost")
        performance.speak(speech)  # heard by the microphone alone
        server = Server(room.home.parent, "far", far)
        back_at = time.perf_counter()
        performance.wait_for("open")
        took_s = performance.said[-1][2] - back_at
        assert took_s < 3.0 + 3 * start_s(), "looked for every 2 s, each time by a process that starts"
        time.sleep(0.3)
        performance.end()
    finally:
        performance.close()
        server.close()
    assert performance.metrics["heard_while_lost_s"] > 2.0
    assert performance.metrics["peak_while_lost"] > 0.05
    assert performance.metrics["in_hand_s"] > 0.0, "it plays again"


def test_a_device_that_does_not_exist_is_named_with_those_that_do(room: Server) -> None:
    performance = Performance(room, "golden microphone", "stage_speaker")
    try:
        said = performance.wait_for("lost")
        performance.end()
    finally:
        performance.close()
    assert said.startswith('no microphone "golden microphone"; there are: ')
    assert "ALSA/stage_mic" in said

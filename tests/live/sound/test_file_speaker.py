"""Loudspeakers without a device, to a file or to nothing: their latency, underruns and clock drift."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from live.process.messages import Event, Note
from live.sound.audio_io import AudioIO
from live.sound.file_microphone import FileMicrophone
from live.sound.file_speaker import FileSpeaker
from live.sound.null_devices import NullSpeaker
from live.sound.settings import SoundSettings
from live.sound.sound_file import BadSound
from models.features.media.sound_files import growing_sound_file
from tests.live.sound.engine_rig import BLOCK, RATE, ManualClock, write_tone
from tests.live.sound.sound_files import noise, read_blocks, wav

BLOCK_S = BLOCK / RATE


def test_file_has_the_declared_latency(tmp_path: Path) -> None:
    sound = noise(1.0)
    clock = ManualClock()
    microphone = FileMicrophone(wav(tmp_path / "in.wav", sound), RATE, BLOCK, clock)
    speaker = FileSpeaker(tmp_path / "out.wav", RATE, 0.02, BLOCK_S + 0.02, clock)
    for _ in range(100):
        output, _ = read_blocks(microphone, clock, 1)
        speaker.write(output[:, None])
    microphone.close()
    speaker.close()
    kept, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert rate == RATE
    late = round((BLOCK_S + speaker.latency_s) * RATE)
    assert late == 1440
    assert not kept[:late].any()
    assert np.abs(kept[late:] - sound).max() < 1e-4
    assert (speaker.xruns, speaker.drift_ppm, speaker.trouble) == (0, None, "")


@pytest.mark.parametrize("kind", ["file", "null"])
def test_underrun_is_counted_and_the_set_point_restored(tmp_path: Path, kind: str) -> None:
    clock = ManualClock()
    path = tmp_path / "out.wav"
    speaker = FileSpeaker(path, RATE, 0.02, 0.03, clock) if kind == "file" else NullSpeaker(RATE, 0.02, clock)
    ones = np.full((BLOCK, 1), 0.5, np.float32)
    assert speaker.buffered_s() == 0.02
    for _ in range(200):
        speaker.write(ones)
        assert speaker.buffered_s() == pytest.approx(0.03)
        clock.at += BLOCK_S
    clock.at += 0.05  # 2 blocks buffered, 5 late
    assert speaker.buffered_s() == 0.0
    for _ in range(6):
        speaker.write(ones)  # all that piled up
    assert speaker.xruns == 1
    for _ in range(100):
        clock.at += BLOCK_S
        speaker.write(ones)
    assert speaker.buffered_s() == pytest.approx(0.03, abs=1e-4), "as late as before"
    assert speaker.xruns == 1
    speaker.close()
    if kind == "file":
        kept, _ = soundfile.read(path, dtype="float32")
        assert len(kept) / RATE == pytest.approx(0.03 + clock.at - 100.0 + 0.01, abs=0.001), "the computer's time"
        assert np.abs(np.diff(kept[2000 : 200 * BLOCK])).max() < 0.01


def test_late_first_blocks_do_not_shift_the_file(tmp_path: Path) -> None:
    clock = ManualClock()
    sound = noise(1.5)
    speaker = FileSpeaker(tmp_path / "out.wav", RATE, 0.02, 0.03, clock)
    for index, block in enumerate(np.split(sound, 150)):
        clock.at = 100.0 + max(index * BLOCK_S, 0.17)  # the machine was slow to start
        speaker.write(block[:, None])
    assert speaker.buffered_s() == pytest.approx(0.03)
    speaker.close()
    kept, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert np.abs(kept[1440:] - sound).max() < 1e-4


def test_blocks_by_a_device_clock_are_resampled_to_the_file_s(tmp_path: Path) -> None:
    clock = ManualClock()
    speaker = FileSpeaker(tmp_path / "out.wav", RATE, 0.02, 0.03, clock, drifts=True)
    sound = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(150 * RATE) / RATE)).astype(np.float32)
    levels = []
    for index, block in enumerate(sound.reshape(-1, BLOCK, 1)):
        speaker.write(block)
        levels.append(speaker.buffered_s())
        clock.at = 100.0 + (index + 1) * BLOCK_S / (1 + 250e-6)
        if index % 1000 == 0:
            time.sleep(0.01)  # for the thread that writes
    speaker.close()
    assert speaker.xruns == 0
    assert speaker.drift_ppm == pytest.approx(250, rel=0.03)
    assert np.ptp(levels[9000:]) < 0.001
    kept, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert len(kept) / RATE == pytest.approx(0.03 + clock.at - 100.0, abs=0.003)


def test_unwritable_path_and_full_disk(tmp_path: Path) -> None:
    with pytest.raises(BadSound, match="cannot be written"):
        FileSpeaker(tmp_path / "no folder" / "out.wav", RATE)
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    speaker = FileSpeaker(Path("/dev/full"), RATE)
    until = time.monotonic() + 3
    while not speaker.trouble and time.monotonic() < until:
        speaker.write(np.ones((BLOCK, 1), np.float32))
        time.sleep(0.001)
    speaker.close()
    assert "writing it ended" in speaker.trouble


def test_a_full_disk_is_called_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """libsndfile says "System error"."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))

    def fill() -> None:
        with growing_sound_file(Path("/dev/full"), RATE) as write:
            for _ in range(100):
                write(np.ones(RATE, np.float32))

    with pytest.raises(OSError, match="No space left"):
        fill()


def test_a_restart_goes_on_in_another_file_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    write_tone(tmp_path / "tone.wav")
    path.write_bytes(b"what was played before")
    sent: list[Event] = []
    settings = SoundSettings(mic=str(tmp_path / "tone.wav"), speaker=str(path))
    microphone, speaker = AudioIO(settings, sent.append).open()
    microphone.close()
    speaker.close()
    assert path.read_bytes() == b"what was played before"
    assert (tmp_path / "out-2.wav").is_file()
    assert sent == [Note("out.wav is there already: the sound goes on in out-2.wav")]

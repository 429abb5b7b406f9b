"""A file as microphone: the right sample at the right time, whatever the file is."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from live.sound.file_microphone import FileMicrophone
from live.sound.sound_file import BadSound
from tests.live.sound.engine_rig import BLOCK, RATE, ManualClock
from tests.live.sound.sound_files import noise, read_blocks, wav

BLOCK_S = BLOCK / RATE


def movie(path: Path, picture_s: float, sound: np.ndarray, begins_s: float, hole: tuple[float, float] | None) -> Path:
    """A movie whose picture begins at `picture_s`, and its sound at `begins_s`, with a hole from and to these times of
    the sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=25, width=16, height=16, pix_fmt="yuv420p")
        video.time_base = Fraction(1, 1000)
        audio = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), index, np.uint8), "rgb24")
            frame.pts, frame.time_base = round(1000 * (picture_s + index / 25)), Fraction(1, 1000)
            container.mux(video.encode(frame))
        for at in range(0, len(sound) - 959, 960):
            if hole and hole[0] <= at / RATE < hole[1]:
                continue
            samples = (sound[None, at : at + 960] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
            frame.sample_rate, frame.pts = RATE, round(begins_s * RATE) + at
            frame.time_base = Fraction(1, RATE)
            container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def test_without_an_epoch_the_rounds_follow_each_other_without_a_gap(tmp_path: Path) -> None:
    sound = noise(0.123)
    clock = ManualClock()
    microphone = FileMicrophone(wav(tmp_path / "a.wav", sound), RATE, BLOCK, clock)
    output, times = read_blocks(microphone, clock, 50)
    microphone.close()
    assert np.array_equal(output, np.tile(sound, 5)[: len(output)])
    assert times[0] == pytest.approx(100.0)
    assert np.allclose(np.diff(times), BLOCK_S)


@pytest.mark.parametrize("started_s", [0.0, 0.0123, 0.5, 12.3456, 1000.001])
def test_with_an_epoch_the_position_follows_the_clock(tmp_path: Path, started_s: float) -> None:
    sound, period = noise(0.7), 0.75
    clock = ManualClock(500.0 + started_s)
    microphone = FileMicrophone(wav(tmp_path / "a.wav", sound), RATE, BLOCK, clock, epoch=500.0, period_s=period)
    output, times = read_blocks(microphone, clock, 160)
    microphone.close()
    assert times[0] >= 500.0 + started_s - 1e-6
    assert times[0] < 500.0 + started_s + 2 * BLOCK_S
    looped = np.concatenate([sound, np.zeros(round(0.05 * RATE), np.float32)])
    begin = round((times[0] - 500.0) * RATE)
    assert np.array_equal(output, np.take(looped, np.arange(begin, begin + len(output)), mode="wrap"))


def test_fractional_period_does_not_accumulate_an_error(tmp_path: Path) -> None:
    period = 1001 / 30_000 * 20  # 20 pictures of NTSC: 32032.0 samples, at 44.1 kHz 29429.4
    clock = ManualClock(0.0)
    path = wav(tmp_path / "a.wav", np.r_[np.float32(0.5), np.zeros(20_000, np.float32)], 44_100)
    microphone = FileMicrophone(path, 44_100, 441, clock, epoch=0.0, period_s=period)
    output, _ = read_blocks(microphone, clock, 1000)
    microphone.close()
    clicks = np.flatnonzero(output > 0.1)
    assert len(clicks) == 15
    assert np.abs(clicks - np.arange(15) * period * 44_100).max() <= 0.5


def test_default_period_is_the_length_of_the_sound(tmp_path: Path) -> None:
    sound = noise(0.25, 16_000)
    clock = ManualClock(10.0)
    microphone = FileMicrophone(wav(tmp_path / "a.wav", sound, 16_000), 16_000, 160, clock, epoch=3.1)
    output, times = read_blocks(microphone, clock, 60)
    microphone.close()
    begin = round((times[0] - 3.1) * 16_000)
    assert np.array_equal(output, np.take(sound, np.arange(begin, begin + len(output)), mode="wrap"))


@pytest.mark.parametrize("picture_s", [0.0, 0.04, 0.2])
def test_sound_of_a_movie_is_aligned_with_its_picture(tmp_path: Path, picture_s: float) -> None:
    sound = np.tile(noise(0.5), 2)[: 48 * 960]
    path = movie(tmp_path / "a.mkv", picture_s, sound, 0.1, hole=(0.4, 0.5))
    clock = ManualClock(0.0)
    microphone = FileMicrophone(path, RATE, BLOCK, clock, epoch=0.0, period_s=1.0)
    output, _ = read_blocks(microphone, clock, 130)
    microphone.close()
    with_hole = sound.copy()
    with_hole[round(0.4 * RATE) : round(0.5 * RATE)] = 0.0
    expected = np.zeros(2 * RATE)
    begin = round((0.1 - picture_s) * RATE)
    expected[max(begin, 0) : begin + len(with_hole)] = with_hole[max(-begin, 0) :]
    expected = expected[:RATE]
    found = np.correlate(output[RATE // 4 : RATE // 4 + 9600], expected[RATE // 4 - 100 : RATE // 4 + 9700], "valid")
    assert abs(int(np.argmax(found)) - 100) <= 48, "Matroska rounds to 1 ms"
    hole = output[round((0.51 - picture_s) * RATE) : round((0.59 - picture_s) * RATE)]
    assert not hole.any()
    assert np.array_equal(output[:14_400], output[RATE : RATE + 14_400]), "and so again in the next round"


def test_seeks_in_a_long_file_and_after_a_suspend(tmp_path: Path) -> None:
    sound = noise(30.0, 16_000)
    path = wav(tmp_path / "a.wav", sound, 16_000)
    clock = ManualClock(27.0)
    microphone = FileMicrophone(path, 16_000, 160, clock, epoch=0.0, period_s=30.0)
    output, times = read_blocks(microphone, clock, 100)
    begin = round(times[0] * 16_000)
    assert np.array_equal(output, sound[begin : begin + len(output)])
    clock.at += 13.0  # the machine was suspended
    output, times = read_blocks(microphone, clock, 20)
    microphone.close()
    assert microphone.missed == pytest.approx(1300, abs=2)
    assert times[0] == pytest.approx(41.0, abs=0.05)
    begin = round((times[0] - 30.0) * 16_000)
    assert np.array_equal(output, sound[begin : begin + len(output)])


def test_resampling_does_not_shift_the_sound(tmp_path: Path) -> None:
    click = np.zeros(16_000, np.float32)
    click[8000] = 0.9
    clock = ManualClock(0.0)
    microphone = FileMicrophone(wav(tmp_path / "a.wav", click, 16_000), RATE, BLOCK, clock, epoch=0.0, period_s=1.0)
    output, _ = read_blocks(microphone, clock, 160)
    microphone.close()
    assert abs(int(np.argmax(output[:RATE])) - 24_000) <= 2


def test_stereo_is_as_loud_as_the_same_sound_in_mono(tmp_path: Path) -> None:
    sound, output = 2 * noise(1), []
    for name, channels in (("mono", 1), ("stereo", 2)):
        file = wav(tmp_path / f"{name}.wav", np.repeat(sound[:, None], channels, 1))
        clock = ManualClock()
        microphone = FileMicrophone(file, RATE, BLOCK, clock)
        output.append(read_blocks(microphone, clock, 20)[0])
        microphone.close()
    assert np.abs(output[0] - output[1]).max() < 1e-6
    assert np.abs(output[1]).max() <= 1


def test_long_runs_of_what_is_no_number_become_silence(tmp_path: Path) -> None:
    sound = noise(0.5)
    sound[1000:1100], sound[2000] = np.nan, np.inf
    clock = ManualClock()
    microphone = FileMicrophone(wav(tmp_path / "a.wav", sound), RATE, BLOCK, clock)
    output, _ = read_blocks(microphone, clock, 40)
    microphone.close()
    assert np.isfinite(output).all()
    assert not output[1000:1100].any()
    assert "no sound" in microphone.trouble


@pytest.mark.parametrize("epoch", [None, 0.0])
def test_bad_files_are_refused_in_one_line(tmp_path: Path, epoch: float | None) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    wav(tmp_path / "empty.wav", np.zeros(0))
    for name, said in (("nothing.wav", "no such file"), ("text.wav", "not a sound file"), ("empty.wav", "no sound")):
        with pytest.raises(BadSound, match=said) as raised:
            FileMicrophone(tmp_path / name, RATE, BLOCK, epoch=epoch)
        assert "\n" not in str(raised.value)


def test_truncated_file_and_deleted_file_do_not_stop_it(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", noise(0.2))
    path.write_bytes(path.read_bytes()[:-10_000])
    clock = ManualClock()
    microphone = FileMicrophone(path, RATE, BLOCK, clock)
    first, _ = read_blocks(microphone, clock, 1)
    path.unlink()
    output, _ = read_blocks(microphone, clock, 300)  # more than it reads ahead
    microphone.close()
    assert first.any()
    assert not output[-BLOCK:].any()

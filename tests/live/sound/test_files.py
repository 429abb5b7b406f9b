"""A file as microphone and a file as loudspeaker: sample by sample where it must be, by the clock, whatever the file
is."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from live.sound.files import BadSound, FileMicrophone, FileSpeaker, NoSpeaker

RATE, BLOCK = 48_000, 480
BLOCK_S = BLOCK / RATE


class Clock:
    """Time that goes when it is told to."""

    def __init__(self, at: float = 100.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def noise(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * rate)).astype(np.float32)


def wav(path: Path, sound: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, sound, rate, "FLOAT")
    return path


def movie(path: Path, picture_s: float, sound: np.ndarray, begins_s: float, hole: tuple[float, float] | None) -> Path:
    """A movie whose picture begins at `picture_s`, and whose sound at `begins_s`, without what lies in the hole (both
    times of the sound's own)."""
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


def hear(microphone: FileMicrophone, clock: Clock, blocks: int) -> tuple[np.ndarray, list[float]]:
    """The next blocks and their times; the reading thread gets the moment it needs."""
    heard, times = [], []
    for _ in range(blocks):
        clock.at += max(microphone.due_in_s(), 0.0) + 1e-9
        until = time.monotonic() + 2
        while (taken := microphone.read()) is None and time.monotonic() < until:
            time.sleep(0.001)
        assert taken is not None
        heard.append(taken[0][:, 0])
        times.append(taken[1])
    return np.concatenate(heard), times


# ---- the microphone


def test_without_an_epoch_one_round_follows_the_other_without_a_hole(tmp_path: Path) -> None:
    sound = noise(0.123)
    clock = Clock()
    microphone = FileMicrophone(wav(tmp_path / "a.wav", sound), RATE, BLOCK, clock)
    heard, times = hear(microphone, clock, 50)
    microphone.close()
    assert np.array_equal(heard, np.tile(sound, 5)[: len(heard)])
    assert times[0] == pytest.approx(100.0)
    assert np.allclose(np.diff(times), BLOCK_S)


@pytest.mark.parametrize("began_s", [0.0, 0.0123, 0.5, 12.3456, 1000.001])
def test_with_an_epoch_it_is_where_the_clock_says_whenever_one_begins_to_listen(tmp_path: Path, began_s: float) -> None:
    sound, period = noise(0.7), 0.75
    clock = Clock(500.0 + began_s)
    microphone = FileMicrophone(wav(tmp_path / "a.wav", sound), RATE, BLOCK, clock, epoch=500.0, period_s=period)
    heard, times = hear(microphone, clock, 160)
    microphone.close()
    assert times[0] >= 500.0 + began_s - 1e-6
    assert times[0] < 500.0 + began_s + 2 * BLOCK_S
    looped = np.concatenate([sound, np.zeros(round(0.05 * RATE), np.float32)])
    begin = round((times[0] - 500.0) * RATE)
    assert np.array_equal(heard, np.take(looped, np.arange(begin, begin + len(heard)), mode="wrap"))


def test_a_period_that_is_no_whole_number_of_samples_does_not_add_up(tmp_path: Path) -> None:
    period = 1001 / 30_000 * 20  # 20 pictures of NTSC: 32032.0 samples, at 44.1 kHz 29429.4
    clock = Clock(0.0)
    path = wav(tmp_path / "a.wav", np.r_[np.float32(0.5), np.zeros(20_000, np.float32)], 44_100)
    microphone = FileMicrophone(path, 44_100, 441, clock, epoch=0.0, period_s=period)
    heard, _ = hear(microphone, clock, 1000)
    microphone.close()
    clicks = np.flatnonzero(heard > 0.1)
    assert len(clicks) == 15
    assert np.abs(clicks - np.arange(15) * period * 44_100).max() <= 0.5


def test_its_own_length_is_the_round_when_none_is_given(tmp_path: Path) -> None:
    sound = noise(0.25, 16_000)
    clock = Clock(10.0)
    microphone = FileMicrophone(wav(tmp_path / "a.wav", sound, 16_000), 16_000, 160, clock, epoch=3.1)
    heard, times = hear(microphone, clock, 60)
    microphone.close()
    begin = round((times[0] - 3.1) * 16_000)
    assert np.array_equal(heard, np.take(sound, np.arange(begin, begin + len(heard)), mode="wrap"))


@pytest.mark.parametrize("picture_s", [0.0, 0.04, 0.2])
def test_the_sound_of_a_movie_is_where_its_picture_is(tmp_path: Path, picture_s: float) -> None:
    sound = np.tile(noise(0.5), 2)[: 48 * 960]
    path = movie(tmp_path / "a.mkv", picture_s, sound, 0.1, hole=(0.4, 0.5))
    clock = Clock(0.0)
    microphone = FileMicrophone(path, RATE, BLOCK, clock, epoch=0.0, period_s=1.0)
    heard, _ = hear(microphone, clock, 130)
    microphone.close()
    held = sound.copy()
    held[round(0.4 * RATE) : round(0.5 * RATE)] = 0.0
    asked = np.zeros(2 * RATE)
    begin = round((0.1 - picture_s) * RATE)
    asked[max(begin, 0) : begin + len(held)] = held[max(-begin, 0) :]
    asked = asked[:RATE]
    found = np.correlate(heard[RATE // 4 : RATE // 4 + 9600], asked[RATE // 4 - 100 : RATE // 4 + 9700], "valid")
    assert abs(int(np.argmax(found)) - 100) <= 48, "Matroska rounds to 1 ms"
    hole = heard[round((0.51 - picture_s) * RATE) : round((0.59 - picture_s) * RATE)]
    assert not hole.any()
    assert np.array_equal(heard[:14_400], heard[RATE : RATE + 14_400]), "and round again"


def test_far_into_a_long_file_it_need_not_read_all_of_it(tmp_path: Path) -> None:
    sound = noise(30.0, 16_000)
    path = wav(tmp_path / "a.wav", sound, 16_000)
    clock = Clock(27.0)
    microphone = FileMicrophone(path, 16_000, 160, clock, epoch=0.0, period_s=30.0)
    heard, times = hear(microphone, clock, 100)
    begin = round(times[0] * 16_000)
    assert np.array_equal(heard, sound[begin : begin + len(heard)])
    clock.at += 13.0  # the machine slept
    heard, times = hear(microphone, clock, 20)
    microphone.close()
    assert microphone.missed == pytest.approx(1300, abs=2)
    assert times[0] == pytest.approx(41.0, abs=0.05)
    begin = round((times[0] - 30.0) * 16_000)
    assert np.array_equal(heard, sound[begin : begin + len(heard)])


def test_another_rate_is_not_shifted(tmp_path: Path) -> None:
    click = np.zeros(16_000, np.float32)
    click[8000] = 0.9
    clock = Clock(0.0)
    microphone = FileMicrophone(wav(tmp_path / "a.wav", click, 16_000), RATE, BLOCK, clock, epoch=0.0, period_s=1.0)
    heard, _ = hear(microphone, clock, 160)
    microphone.close()
    assert abs(int(np.argmax(heard[:RATE])) - 24_000) <= 2


def test_stereo_is_as_loud_as_the_same_sound_in_mono(tmp_path: Path) -> None:
    sound, heard = 2 * noise(1), []
    for name, channels in (("mono", 1), ("stereo", 2)):
        file = wav(tmp_path / f"{name}.wav", np.repeat(sound[:, None], channels, 1))
        clock = Clock()
        microphone = FileMicrophone(file, RATE, BLOCK, clock)
        heard.append(hear(microphone, clock, 20)[0])
        microphone.close()
    assert np.abs(heard[0] - heard[1]).max() < 1e-6
    assert np.abs(heard[1]).max() <= 1


def test_samples_that_are_no_numbers_are_silence(tmp_path: Path) -> None:
    sound = noise(0.5)
    sound[1000:1010], sound[2000] = np.nan, np.inf
    clock = Clock()
    microphone = FileMicrophone(wav(tmp_path / "a.wav", sound), RATE, BLOCK, clock)
    heard, _ = hear(microphone, clock, 40)
    microphone.close()
    assert np.isfinite(heard).all()
    assert not heard[1000:1010].any()
    assert "no sound" in microphone.trouble


@pytest.mark.parametrize("epoch", [None, 0.0])
def test_bad_files_say_so_in_one_line(tmp_path: Path, epoch: float | None) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    wav(tmp_path / "empty.wav", np.zeros(0))
    for name, said in (("nothing.wav", "no such file"), ("text.wav", "not a sound file"), ("empty.wav", "no sound")):
        with pytest.raises(BadSound, match=said) as raised:
            FileMicrophone(tmp_path / name, RATE, BLOCK, epoch=epoch)
        assert "\n" not in str(raised.value)


def test_a_file_cut_off_and_one_taken_away_go_on(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", noise(0.2))
    path.write_bytes(path.read_bytes()[:-10_000])
    clock = Clock()
    microphone = FileMicrophone(path, RATE, BLOCK, clock)
    first, _ = hear(microphone, clock, 1)
    path.unlink()
    heard, _ = hear(microphone, clock, 300)  # more than it reads ahead
    microphone.close()
    assert first.any()
    assert not heard[-BLOCK:].any()


# ---- the loudspeaker


def test_the_file_is_as_late_as_the_screen_says(tmp_path: Path) -> None:
    sound = noise(1.0)
    clock = Clock()
    microphone = FileMicrophone(wav(tmp_path / "in.wav", sound), RATE, BLOCK, clock)
    speaker = FileSpeaker(tmp_path / "out.wav", RATE, 0.02, BLOCK_S + 0.02, clock)
    for _ in range(100):
        heard, _ = hear(microphone, clock, 1)
        speaker.write(heard[:, None])
    microphone.close()
    speaker.close()
    kept, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert rate == RATE
    late = round((BLOCK_S + speaker.latency_s) * RATE)
    assert late == 1440
    assert not kept[:late].any()
    assert np.abs(kept[late:] - sound).max() < 1e-4
    assert (speaker.xruns, speaker.drift_ppm, speaker.trouble) == (0, None, "")


@pytest.mark.parametrize("kind", ["file", "nobody"])
def test_a_loudspeaker_that_ran_dry_counts_it_and_begins_anew(tmp_path: Path, kind: str) -> None:
    clock = Clock()
    path = tmp_path / "out.wav"
    speaker = FileSpeaker(path, RATE, 0.02, 0.03, clock) if kind == "file" else NoSpeaker(RATE, 0.02, clock)
    ones = np.full((BLOCK, 1), 0.5, np.float32)
    assert speaker.in_hand_s() == 0.02
    for _ in range(200):
        speaker.write(ones)
        assert speaker.in_hand_s() == pytest.approx(0.03)
        clock.at += BLOCK_S
    clock.at += 0.05  # 2 blocks in hand, 5 late
    assert speaker.in_hand_s() == 0.0
    for _ in range(6):
        speaker.write(ones)  # all that piled up
    assert speaker.xruns == 1
    for _ in range(100):
        clock.at += BLOCK_S
        speaker.write(ones)
    assert speaker.in_hand_s() == pytest.approx(0.03, abs=1e-4), "as late as before"
    assert speaker.xruns == 1
    speaker.close()
    if kind == "file":
        kept, _ = soundfile.read(path, dtype="float32")
        assert len(kept) / RATE == pytest.approx(0.03 + clock.at - 100.0 + 0.01, abs=0.001), "the room's own time"
        assert np.abs(np.diff(kept[2000 : 200 * BLOCK])).max() < 0.01


def test_late_first_blocks_do_not_shift_the_file(tmp_path: Path) -> None:
    clock = Clock()
    sound = noise(1.5)
    speaker = FileSpeaker(tmp_path / "out.wav", RATE, 0.02, 0.03, clock)
    for index, block in enumerate(np.split(sound, 150)):
        clock.at = 100.0 + max(index * BLOCK_S, 0.17)  # the machine was slow to begin
        speaker.write(block[:, None])
    assert speaker.in_hand_s() == pytest.approx(0.03)
    speaker.close()
    kept, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert np.abs(kept[1440:] - sound).max() < 1e-4


def test_blocks_by_a_device_s_clock_are_brought_to_the_file_s(tmp_path: Path) -> None:
    clock = Clock()
    speaker = FileSpeaker(tmp_path / "out.wav", RATE, 0.02, 0.03, clock, drifts=True)
    sound = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(150 * RATE) / RATE)).astype(np.float32)
    levels = []
    for index, block in enumerate(sound.reshape(-1, BLOCK, 1)):
        speaker.write(block)
        levels.append(speaker.in_hand_s())
        clock.at = 100.0 + (index + 1) * BLOCK_S / (1 + 250e-6)
        if index % 1000 == 0:
            time.sleep(0.01)  # the disk's thread
    speaker.close()
    assert speaker.xruns == 0
    assert speaker.drift_ppm == pytest.approx(250, rel=0.03)
    assert np.ptp(levels[9000:]) < 0.001
    kept, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert len(kept) / RATE == pytest.approx(0.03 + clock.at - 100.0, abs=0.003)


def test_a_place_that_cannot_be_written_and_a_disk_that_is_full(tmp_path: Path) -> None:
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

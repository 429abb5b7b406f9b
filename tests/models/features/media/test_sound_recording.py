"""THE way to a file's sound, on files as they come: joined, cut off, with broken stamps, odd names and odd channels."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from models.features.media.bad_media import BadMedia
from models.features.media.mixdown import Mixdown, NoSuchChannel
from models.features.media.sound_recording import NoSound, SoundRecording
from models.features.media.sound_resampling import joined_at_rate, placed_at_rate, timed_at_rate
from models.features.media.stamps import SoundStamps
from tests.models.features.media.sound_movies import RATE, YEAR_S, Sound, encoded_sound, tone


def _speechlike(seconds: float, seed: int = 0, rate: int = RATE) -> Sound:
    return np.random.default_rng(seed).uniform(-0.3, 0.3, round(seconds * rate)).astype(np.float32)


def _mono(path: Path, rate: int = RATE) -> Sound:
    return np.concatenate([part[0] for part in joined_at_rate(SoundRecording(path).mono_pieces(), rate)])


def _pitch_hz(sound: Sound) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(sound * np.hanning(len(sound))))) * RATE / len(sound))


def test_rate_and_channels_that_change_midway_are_resampled_from_there_on(tmp_path: Path) -> None:
    one = encoded_sound(tmp_path / "1.ts", tone(1.0), 48_000, layout="stereo")
    two = encoded_sound(tmp_path / "2.ts", tone(1.0, 32_000), 32_000)
    both = tmp_path / "both.ts"
    both.write_bytes(one.read_bytes() + two.read_bytes())
    sound = _mono(both)
    assert len(sound) == pytest.approx(2 * RATE, abs=0.1 * RATE)
    for begin_s in (0.2, 1.2):
        assert _pitch_hz(sound[round(begin_s * RATE) :][: RATE // 2]) == pytest.approx(440, abs=3)
    recording = SoundRecording(both)
    for timed in (
        [(part, round(at_s * RATE)) for part, at_s in timed_at_rate(recording.pieces(), RATE, "stereo")],
        list(placed_at_rate(recording.mono_pieces(), RATE)),
    ):
        ends = [at + part.shape[1] for part, at in timed]
        assert max(ends) == pytest.approx(2 * RATE, abs=0.1 * RATE)
        assert np.abs(np.array([at for _, at in timed][1:]) - ends[:-1]).max() <= 0.1 * RATE


@pytest.mark.parametrize(
    "leaps", [{20: YEAR_S}, {0: YEAR_S}, {20: 600.0}], ids=["for good", "from the first", "ten minutes"]
)
def test_stamps_that_leap_are_closed_up(tmp_path: Path, leaps: dict[int, float]) -> None:
    path = encoded_sound(tmp_path / "a.mkv", tone(1.0), RATE, "pcm_s16le", leaps=leaps)
    recording = SoundRecording(path)
    placed = list(placed_at_rate(recording.mono_pieces(), RATE))
    assert sum(part.shape[1] for part, _ in placed) == RATE
    assert max(at + part.shape[1] for part, at in placed) == pytest.approx(RATE, abs=0.01 * RATE)
    assert max(at_s for _, at_s in timed_at_rate(recording.pieces(), RATE)) < 1.1


@pytest.mark.parametrize("leap_s", [YEAR_S, 10.0, -10.0, -YEAR_S])
def test_a_stamp_that_differs_alone_is_passed_over(leap_s: float) -> None:
    stamps = SoundStamps(0.0, None)
    given = [0.02 * number + (leap_s if number == 20 else 0.0) for number in range(40)]
    placed = [stamps.place(at_s, 0.02, following) for at_s, following in pairwise([*given, 0.8])]
    assert placed == pytest.approx([0.02 * number for number in range(40)])
    assert not stamps.broken


def test_a_hole_longer_than_the_movie_is_none() -> None:
    stamps = SoundStamps(0.0, 5.0)
    assert [stamps.place(at_s, 1.0) for at_s in (0.0, 4.0, 20.0, 21.0)] == [0.0, 4.0, 5.0, 6.0]
    assert stamps.broken == 1


def test_sound_that_goes_back_goes_on_and_is_told(tmp_path: Path) -> None:
    both = tmp_path / "both.ts"
    both.write_bytes(2 * encoded_sound(tmp_path / "1.ts", tone(2.0), RATE).read_bytes())
    recording = SoundRecording(both)
    ends = [at + part.shape[1] for part, at in placed_at_rate(recording.mono_pieces(), RATE)]
    assert max(ends) == pytest.approx(4 * RATE, abs=0.1 * RATE)
    assert recording.notes == ["both.ts: its time stamps leap, and are closed up"]


def test_a_hole_stays_a_hole(tmp_path: Path) -> None:
    path = encoded_sound(tmp_path / "a.mkv", tone(1.0), RATE, "pcm_s16le", leaps={20: 3.0})
    recording = SoundRecording(path)
    assert max(at + part.shape[1] for part, at in placed_at_rate(recording.mono_pieces(), RATE)) == pytest.approx(
        4 * RATE, abs=0.01 * RATE
    )
    assert not recording.notes


@pytest.mark.parametrize("name", ["take:2.wav", "http:x.wav", os.fsdecode(b"caf\xe9.wav"), "-i.wav", "%03d.wav"])
def test_whatever_a_file_is_called_it_is_a_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write(os.fsencode(name), tone(0.5), RATE)
    assert len(_mono(Path(name))) == RATE // 2


@pytest.mark.parametrize("suffix", ["m4a", "wav", "flac", "mkv"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_of_a_half_copied_file_is_said_how_much_is_missing(tmp_path: Path, suffix: str, kept: float) -> None:
    whole = tmp_path / f"whole.{suffix}"
    if suffix == "m4a":
        encoded_sound(tmp_path / "plain.m4a", _speechlike(8.0), RATE)
        _with_index_first(tmp_path / "plain.m4a", whole)
    elif suffix == "mkv":
        encoded_sound(whole, _speechlike(8.0), RATE, "pcm_s16le")
    else:
        soundfile.write(whole, _speechlike(8.0), RATE)
    half = tmp_path / f"half.{suffix}"
    half.write_bytes(whole.read_bytes()[: round(kept * whole.stat().st_size)])
    recording = SoundRecording(half)
    read_s = len(np.concatenate([part[0] for part in joined_at_rate(recording.mono_pieces(), RATE)])) / RATE
    assert read_s == pytest.approx(8 * kept, abs=0.3)
    assert recording.notes == [f"half.{suffix}: the file says 8.0 s, {read_s:.1f} s can be read"]
    assert not SoundRecording(whole).notes


def _with_index_first(path: Path, out: Path) -> None:
    with av.open(str(path)) as source, av.open(str(out), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)


@pytest.mark.parametrize(
    ("channels", "weights", "note"),
    [
        ([1.0, 1.0], (0.5, 0.5), ""),
        ([1.0, 0.5], (0.5, 0.5), ""),
        ([1.0, -1.0], (1, 0), "its channels are each other's inverse and would cancel: channel 1 of 2 is taken alone"),
        ([-0.5, 1.0], (0, 1), "its channels are each other's inverse and would cancel: channel 2 of 2 is taken alone"),
        ([0.0, 1.0], (0, 1), "only channel 2 of 2 carries sound, and is taken alone"),
        ([0.0] * 5 + [1.0] + [0.0] * 2, (0,) * 5 + (1, 0, 0), "only channel 6 of 8 carries sound, and is taken alone"),
        ([0.0] * 4, (0.25,) * 4, ""),
        ([0.0, 0.0, 1.0, 0.0, 0.0, 0.0], (0, 0, 1, 0, 0, 0), "only channel 3 of 6 carries sound, and is taken alone"),
    ],
)
def test_the_channels_that_carry_sound_are_heard(
    tmp_path: Path, channels: list[float], weights: tuple[float, ...], note: str
) -> None:
    sound = _speechlike(0.5)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([sound * gain for gain in channels], 1), RATE, "FLOAT")
    recording = SoundRecording(path)
    assert recording.notes == ([f"a.wav: {note}"] if note else [])
    wanted = Mixdown(weights).mix(np.stack([sound * gain for gain in channels]))
    np.testing.assert_allclose(_mono(path), wanted, atol=1e-6)


def test_five_one_is_mixed_by_its_layout(tmp_path: Path) -> None:
    """Its bass channel is a copy, and is left out."""
    sounds = np.round(np.stack([_speechlike(0.5, seed) for seed in range(6)]) * 32767)
    path = tmp_path / "a.flac"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=RATE, layout="5.1")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sounds.T.reshape(1, -1).astype(np.int16)), "s16", "5.1")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    shares = np.array([0.7071, 0.7071, 1.0, 0.0, 0.5, 0.5])
    np.testing.assert_allclose(_mono(path), shares @ sounds / 32768 / shares.sum(), atol=1e-6)


@pytest.mark.parametrize("channels", [8, 16])
def test_many_planes_are_read(tmp_path: Path, channels: int) -> None:
    """PyAV reads beyond the eighth."""
    layout = {8: "7.1", 16: "hexadecagonal"}[channels]
    path = encoded_sound(tmp_path / "a.mkv", tone(0.5), RATE, "wavpack", layout)
    recording = SoundRecording(path)
    pieces = list(recording.pieces())
    assert pieces[0].samples.shape[0] == channels
    for piece in pieces:
        np.testing.assert_array_equal(piece.samples, np.repeat(piece.samples[:1], channels, 0))
    stereo = np.concatenate([part for part, _ in timed_at_rate(pieces, RATE, "stereo")], 1)
    assert stereo.shape == (2, RATE // 2)


def test_channels_in_an_order_of_their_own_are_read(tmp_path: Path) -> None:
    """Apple's; PyAV frees the list of such an order twice. Read many times, for it is the heap that breaks."""
    path = encoded_sound(tmp_path / "a.caf", tone(0.2), RATE, "pcm_s16le", "7.1")
    for _ in range(20):
        (piece, *_) = SoundRecording(path).pieces()
        assert piece.layout == "8 channels"
        np.testing.assert_array_equal(piece.samples, np.repeat(piece.samples[:1], 8, 0))


def test_the_channel_may_be_chosen(tmp_path: Path) -> None:
    left, right = _speechlike(0.2, 1), _speechlike(0.2, 2)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([left, right], 1), RATE, "FLOAT")
    for channel, wanted in ((1, left), (2, right), ("sum", (left + right) / 2)):
        recording = SoundRecording(path, channel)
        heard = np.concatenate([piece.samples[0] for piece in recording.mono_pieces()])
        np.testing.assert_allclose(heard, wanted, atol=1e-6)
        assert not recording.notes
    with pytest.raises(NoSuchChannel, match=r"a\.wav: it has 2 channels, and channel 3 is none of them"):
        SoundRecording(path, 3)


def test_an_offset_is_taken_away_without_a_thump(tmp_path: Path) -> None:
    sound = tone(1.0)
    soundfile.write(tmp_path / "a.wav", sound + 0.2, RATE, "FLOAT")
    assert np.abs(_mono(tmp_path / "a.wav") - sound).max() < 0.02
    soundfile.write(tmp_path / "constant.wav", np.full(RATE, 0.3), RATE, "FLOAT")
    assert np.abs(_mono(tmp_path / "constant.wav")).max() < 1e-5


@pytest.mark.parametrize("value", [1e5, -1e29, np.inf, np.nan])
def test_lone_wild_samples_are_bridged(tmp_path: Path, value: float) -> None:
    sound = tone(1.0)
    odd = sound.copy()
    odd[[0, 1023, 1024, 20_000, RATE - 1]] = value
    odd[30_000:30_003] = value
    soundfile.write(tmp_path / "a.wav", odd, RATE, "FLOAT")
    assert np.abs(_mono(tmp_path / "a.wav") - sound).max() < 0.06
    assert "8 wild samples were taken out" in SoundRecording(tmp_path / "a.wav").notes[0]


def test_what_is_far_too_loud_is_limited_and_said(tmp_path: Path) -> None:
    """As a file of floats that were written in the scale of integers."""
    soundfile.write(tmp_path / "a.wav", 32768 * tone(1.0), RATE, "FLOAT")
    assert np.abs(_mono(tmp_path / "a.wav")).max() <= 4.0
    assert SoundRecording(tmp_path / "a.wav").notes == [
        "a.wav: there are samples in it that are no sound; they are silence, or limited"
    ]


def test_what_holds_no_sound_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    with pytest.raises(NoSound, match=r"empty\.wav holds no sound"):
        SoundRecording(tmp_path / "empty.wav")
    (tmp_path / "a:text.wav").write_text("nothing")
    with pytest.raises(BadMedia, match="not a sound file that can be read"):
        SoundRecording(tmp_path / "a:text.wav")
    with pytest.raises(FileNotFoundError):
        SoundRecording(tmp_path / "http:nowhere.wav")

"""The facts of prepared voices; see models.prepare.voice_data for the folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from models.prepare.data_facts import DataFacts, FactsPart, read_facts

SampleRate = Annotated[int, Field(strict=True, ge=4000, le=192_000)]
"""Hz."""


class VoiceStatistics(FactsPart):
    """Mean and standard deviation of ln F0, and of each MCEP; see models.prepare.voice_data.SpeakerStatistics."""

    lf0_mean: float
    lf0_std: float
    mcep_mean: tuple[float, ...]
    mcep_std: tuple[float, ...]


class VoiceFacts(DataFacts):
    """What training reads of one prepared voice."""

    kind: Literal["voice"] = "voice"
    name: str
    sample_rate: SampleRate
    """Hz."""
    sentences: Mapping[str, int] = {}
    """Numbers of sentences, by the part: train, held_out."""
    room: tuple[float, ...] = ()
    """The room tone, see models.features.room_tone; earlier versions measured none."""
    digest: str


class SourceFacts(FactsPart):
    """A recording: its file's name, its length, and how many of its sentences were kept."""

    file: str
    seconds: float
    sentences: int


class PreparedVoiceFacts(VoiceFacts):
    """All that `guise prepare voice` writes."""

    sources: tuple[SourceFacts, ...]
    seconds: Mapping[str, float]
    """Of speech, by the part."""
    left_out: tuple[tuple[str, float, float, str], ...]
    """(file, second it begins, seconds, reason)"""
    files_left_out: tuple[tuple[str, str], ...] = ()
    """(file, reason) of what was named, or lay in a folder that was, and is no recording that can be used."""
    notes: tuple[str, ...] = ()
    """What was found wrong with recordings that are used, and which of their channels were."""
    unlike_the_others: tuple[tuple[str, float, float], ...]
    """(file, second it begins, seconds) of what may be another speaker's."""
    level_dbfs: float
    """Median of the sentences' levels before they were levelled."""
    denoised: bool
    statistics: VoiceStatistics


class SpeakerFacts(FactsPart):
    """A speaker of a run."""

    name: str
    digest: str | None = None
    statistics: Mapping[str, JsonValue] = {}
    """As they were prepared: for people who read a run."""
    sentences: Mapping[str, int] = {}
    room: tuple[float, ...] = ()


class NormalSpeakerFacts(SpeakerFacts):
    """A speaker with the statistics that frames are normalised by."""

    normal: tuple[tuple[float, ...], tuple[float, ...]]
    """Mean and standard deviation, MCEPS numbers each, ln F0's in place of c0's."""


class MeasuredSpeakerFacts(NormalSpeakerFacts):
    """A speaker as models.voices.transport needs them; see models.prepare.voice_data.SpeakerStatistics."""

    correlation: tuple[float, ...]
    """The strict lower triangle, row by row."""
    levels: tuple[float, ...]
    aperiodicity: tuple[float, ...]


class SpeakersFacts(DataFacts):
    """One voice or several, learned from together; of one voice also the rest of its dataset.json."""

    kind: Literal["voice"] = "voice"
    sample_rate: SampleRate
    digest: str
    speakers: tuple[SpeakerFacts, ...]


class MeasuredSpeakersFacts(SpeakersFacts):
    """What models.datasets.voice_segments gives."""

    speakers: tuple[MeasuredSpeakerFacts, ...]


def read_voice_facts(folder: Path) -> VoiceFacts:
    """dataset.json of a prepared voice; raises DataError with what to do."""
    wrong_kind = "is not a prepared voice: voices learn from `guise prepare voice`"
    return read_facts(folder, VoiceFacts, "voice", "guise prepare voice AUDIO", wrong_kind)

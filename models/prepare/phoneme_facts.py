"""The facts of prepared phonemes; see models.prepare.spoken_corpus for the folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from models.prepare.data_error import DataError
from models.prepare.data_facts import DataFacts, read_facts
from models.prepare.phonemes import PHONEMES


class PhonemeFacts(DataFacts):
    """What training reads of one folder."""

    kind: Literal["phonemes"] = "phonemes"
    sample_rate: int
    """Hz."""
    origin: str
    """What spoke: espeak-ng, or a corpus."""
    phonemes: tuple[str, ...]
    """By their numbers."""
    digest: str


class PreparedPhonemeFacts(PhonemeFacts):
    """All that `guise prepare phonemes` writes."""

    speakers: int
    recordings: Mapping[str, int]
    """Numbers of recordings, by the part: train, held_out."""
    seconds: Mapping[str, float]
    """Of speech, by the part."""
    frames: Mapping[str, int]
    """By the phoneme, where there are any."""


class CropFacts(DataFacts):
    """The facts of one folder or several, learned from together."""

    kind: Literal["phonemes"] = "phonemes"
    sample_rate: int
    origin: tuple[str, ...]
    phonemes: tuple[str, ...]
    digest: str


def read_phoneme_facts(folder: Path) -> PhonemeFacts:
    """dataset.json of prepared phonemes; raises DataError with what to do."""
    try:
        facts = read_facts(folder, PhonemeFacts, "phonemes", "guise prepare phonemes", "holds no phonemes")
    except DataError as error:
        raise DataError(f"{folder} holds no phonemes: make them with `guise prepare phonemes --out DIR`") from error
    if facts.phonemes != PHONEMES:
        raise DataError(f"{folder} was prepared with other phonemes: prepare it again")
    return facts

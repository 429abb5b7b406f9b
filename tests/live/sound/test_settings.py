"""Which parameters belong to the channel strip and which to a voice; which voices make a show quick."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from export.artifact import model_file
from export.artifact.bad_model import BadModel
from live.show.parameter_table import CUE_PARAMETERS, STRIP_PARAMETERS
from live.sound.channel_strip import ChannelStrip
from live.sound.settings import is_quick


def test_channel_strip_knows_its_own_parameters_and_no_voice_s() -> None:
    strip = ChannelStrip(48_000)
    assert [strip.set(name.removeprefix("sound/"), 0.0) for name in STRIP_PARAMETERS] == [True] * len(STRIP_PARAMETERS)
    assert [strip.set(name.removeprefix("sound/"), 0.0) for name in CUE_PARAMETERS] == [False] * len(CUE_PARAMETERS)


def test_a_show_is_quick_if_all_its_voices_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen voice that is a filter is quick; one with a vocoder, or one that cannot be read, is not."""
    forms = {"filter.onnx": "filter", "world.onnx": "features"}

    def read_manifest(path: str) -> Mock:
        if path not in forms:
            raise BadModel(path, "does not exist")
        return Mock(form=forms[path])

    monkeypatch.setattr(model_file, "read_manifest", read_manifest)
    assert is_quick(("bypass", "octave-up-quick", "filter.onnx"))
    assert not is_quick(("bypass", "octave-up-quick", "world.onnx"))
    assert not is_quick(("filter.onnx", "gone.onnx"))
    assert not is_quick(("filter.onnx", "octave-up"))

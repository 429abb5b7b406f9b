"""The registry of outputs."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from live.outputs.output import BadOutput, Output
from live.outputs.recorder import Recorder
from live.outputs.registry import OUTPUTS, make_output, output_class


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_output_is_a_class_that_fulfils_the_protocol(name: str) -> None:
    found = output_class(name)
    assert inspect.isclass(found)
    assert issubclass(found, Output)
    for method in ("__init__", "open", "put_picture", "put_audio", "close"):
        wanted = inspect.signature(getattr(Output, method)).parameters
        assert list(inspect.signature(getattr(found, method)).parameters) == list(wanted)


def test_an_output_is_made_by_its_name_and_opens_nothing(tmp_path: Path) -> None:
    name, recorder = make_output(f"recorder={tmp_path}/a=b.mp4")
    assert name == "recorder"
    assert type(recorder) is Recorder
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_is_refused_in_one_line_with_those_there_are() -> None:
    with pytest.raises(BadOutput) as refused:
        make_output("hologram=x")
    assert str(refused.value) == f"there is no output 'hologram': expected one of {', '.join(OUTPUTS)}"


def test_an_output_that_lacks_a_library_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OUTPUTS, "hologram", "hologram.projector:Projector")
    with pytest.raises(BadOutput, match="the output needs hologram, which is not installed"):
        make_output("hologram")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("", r"recorder=OUT\.mp4"),
        ("=", r"recorder=OUT\.mp4"),
        ("=/", "is a folder"),
        ("=/nowhere/at/all.mp4", "there is no folder /nowhere/at"),
        ("=movie.avi", r"ends in \.mp4"),
    ],
)
def test_a_recorder_without_a_file_that_can_be_written_is_refused(target: str, message: str) -> None:
    with pytest.raises(BadOutput, match=message):
        make_output(f"recorder{target}")

"""The registry of outputs."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from live.manage.stage_manager import StageManager
from live.outputs.output import BadOutput, Output
from live.outputs.recorder import Recorder
from live.outputs.registry import OUTPUTS, open_output, output_class


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_output_is_a_class_that_fulfils_the_protocol(name: str) -> None:
    found = output_class(name)
    assert inspect.isclass(found)
    assert issubclass(found, Output)
    for method in ("__init__", "put_picture", "put_audio", "close"):
        wanted = inspect.signature(getattr(Output, method)).parameters
        assert list(inspect.signature(getattr(found, method)).parameters) == list(wanted)


def test_an_output_is_opened_by_its_name(manager: StageManager, tmp_path: Path) -> None:
    recorder = open_output("recorder", str(tmp_path / "out.mp4"), manager, None)
    assert type(recorder) is Recorder
    recorder.close()


def test_an_unknown_name_is_refused_in_one_line_with_those_there_are(manager: StageManager) -> None:
    with pytest.raises(BadOutput) as refused:
        open_output("hologram", None, manager, None)
    assert str(refused.value) == f"there is no output 'hologram': expected one of {', '.join(OUTPUTS)}"


def test_a_recorder_without_a_file_is_refused(manager: StageManager) -> None:
    with pytest.raises(BadOutput, match=r"recorder=OUT\.mp4"):
        open_output("recorder", None, manager, None)

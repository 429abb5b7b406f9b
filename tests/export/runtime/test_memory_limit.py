"""A file of some kilobytes that takes gigabytes is refused, before they are taken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from export.runtime import frozen_session
from export.runtime.memory_limit import SMALL_BYTES, TooMuchMemory, limited_memory
from export.runtime.session import open_session
from tests.export import bad_models
from tests.export.tiny_look import SIZE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps such a limit")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bad.onnx"


def test_memory_that_only_running_shows_is_refused_when_it_is_warmed(path: Path) -> None:
    bad_models.huge_hidden_look(path)
    before = psutil.Process().memory_info().rss
    with open_session(path, "cpu", 1) as session, pytest.raises(TooMuchMemory, match="needs more memory than it may"):
        session.warm()
    assert psutil.Process().memory_info().rss - before < SMALL_BYTES


def test_what_a_model_took_is_measured(look: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_session(look, "cpu", 1) as session:
        session.warm()
        assert 0 <= session.memory_bytes < 100e6
    monkeypatch.setattr(frozen_session, "allowed_bytes", lambda path: 1_000_000)
    monkeypatch.setattr(frozen_session, "memory_bytes", lambda: next(sizes))
    sizes = iter((0, 3_000_000_000))
    with open_session(look, "cpu", 1) as session, pytest.raises(TooMuchMemory, match=r"takes 3\.0 GB"):
        session.warm()


def test_the_limit_ends_with_the_loading() -> None:
    with limited_memory(50_000_000), limited_memory(100_000_000):
        with pytest.raises(MemoryError):
            np.ones(200_000_000, np.uint8)
        assert np.ones(60_000_000, np.uint8).all()
    assert np.ones(200_000_000, np.uint8).all()


def test_a_model_that_grows_on_stage_fails_alone(path: Path) -> None:
    script = (
        "import sys; import numpy as np; from pathlib import Path\n"
        "from export.runtime import memory_limit; from export.runtime.session import open_session\n"
        "memory_limit.limit_memory_of_runs()\n"
        "session = open_session(Path(sys.argv[1]), 'cpu', 1); session.warm()\n"
        f"black, white = (np.full((1, {SIZE}, {SIZE}, 3), value, np.uint8) for value in (0, 255))\n"
        "try: session.run(lines=white)\n"
        "except RuntimeError as error: print(error)\n"
        "print(session.run(lines=black)['picture'].max())"
    )
    bad_models.huge_on_stage_look(path)
    ended = subprocess.run([sys.executable, "-P", "-c", script, path], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    refused, largest = ended.stdout.splitlines()
    assert refused.endswith("needs more memory than it may take: choose another")
    assert largest == "0"

"""`guise live` runs no code of the folder that it is started in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAPS = ("av", "dlib", "cv2", "numpy", "hashlib", "onnxruntime", "random", "socket", "live", "models", "rtmixer")


@pytest.mark.slow
@pytest.mark.parametrize("verb", [["live", "show.toml", "--headless", "--seconds", "3"], ["doctor"]])
def test_no_file_of_the_current_folder_is_imported(verb: list[str], tmp_path: Path) -> None:
    for name in TRAPS:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'a').write('{name} ')")
    (tmp_path / "show.toml").write_text('[[cue]]\nname = "a"\nlook = "safe"\nvoice = "silence"\n')
    options = ["--camera", "demo", "--mic", "none", "--speaker", "none"] if verb[0] == "live" else []
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    environment.pop("PYTHONSAFEPATH", None)
    subprocess.run(
        [sys.executable, "-P", "-m", "guise", *verb, *options],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    sprung = tmp_path / "sprung"
    assert not sprung.exists(), sprung.read_text()

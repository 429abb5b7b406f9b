"""Makes the demo's voices again, by the verbs an artist uses. Run by hand; needs the extra `train`.

    python -m live.demo_training.make_voices WORK_FOLDER SPEECH_FOLDER

SPEECH_FOLDER holds ljspeech/LJ001-*.wav (LJ Speech, public domain) and librispeech_test-other/2414-128291-*.flac
(LibriSpeech, CC BY 4.0). Each voice is trained on its own recordings only. See VOICES.txt.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

VOICES = Path(__file__).resolve().parents[1] / "demo" / "voices"
FAMILY = "statistics"


class SourceReader(NamedTuple):
    recordings: str
    who: str
    statement: str
    licence: str


READERS = {
    "linda": SourceReader(
        "ljspeech/LJ001-*.wav",
        "Linda Johnson",
        "gave her readings for LibriVox to the public domain (LJ Speech, Keith Ito)",
        "public domain",
    ),
    "reader": SourceReader(
        "librispeech_test-other/2414-128291-*.flac",
        "reader 2414 of LibriSpeech",
        "from readings for LibriVox (LibriSpeech, Panayotov, Chen, Povey and Khudanpur, 2015)",
        "CC BY 4.0",
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make_voices", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for data and training runs")
    parser.add_argument("speech", type=Path, help="folder of the recordings")
    given = parser.parse_args()
    for name, reader in READERS.items():
        make_voice(name, reader, given.work, given.speech)
    return 0


def make_voice(name: str, reader: SourceReader, work: Path, speech: Path) -> Path:
    """Makes the frozen voice of one reader and returns its path. Raises CalledProcessError when a verb fails; it has
    printed why."""
    recordings = sorted(speech.glob(reader.recordings))
    data, run, voice = work / "data" / name, work / "runs" / name, VOICES / f"{name}.onnx"
    if not data.is_dir():
        data.parent.mkdir(parents=True, exist_ok=True)
        _guise("prepare", "voice", *recordings, "--learn-all", "--out", data)
    if not run.is_dir():
        _guise("train", FAMILY, data, "--out", run)
    VOICES.mkdir(exist_ok=True)
    consent = ("--who", reader.who, "--subject", reader.statement)
    _guise("export", run, "--out", voice, *consent, "--licence", reader.licence, "--name", name)
    return voice


def _guise(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "guise", *map(str, arguments)], check=True)


if __name__ == "__main__":
    sys.exit(main())

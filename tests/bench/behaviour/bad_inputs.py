"""Bad input of every kind: files made from good ones with one fault each, and command lines over all verbs."""

from __future__ import annotations

import json
import shutil

from .program import Program

_CUE = '[[cue]]\nname = "a"\nlook = "bypass"\n'
SHOWS = {
    "not-toml": "[show\n",
    "no-cue": '[show]\nname = "x"\n',
    "unknown-key": f"[show]\nnam = 1\n{_CUE}",
    "no-look": '[[cue]]\nname = "a"\n',
    "two-alike": f"{_CUE}{_CUE}",
    "unknown-parameter": f'{_CUE}set = {{ "sound/pich" = 1 }}\n',
    "parameter-no-number": f'{_CUE}set = {{ "sound/pitch" = "high" }}\n',
    "bad-look": '[[cue]]\nname = "a"\nlook = "bypas"\n',
    "bad-voice": f'{_CUE}voice = "gaint"\n',
    "leaves-folder": '[[cue]]\nname = "a"\nlook = "../inputs/porcelain.onnx"\n',
    "voice-as-look": '[[cue]]\nname = "a"\nlook = "linda.onnx"\n',
    "damaged-look": '[[cue]]\nname = "a"\nlook = "truncated.onnx"\n',
    "bad-safe-picture": f'[show]\nsafe_picture = "text.onnx"\n{_CUE}',
    "bad-sound-miss": f'[show]\nsound_miss = "wet"\n{_CUE}',
}
"""Each is WORK/bad/NAME.toml."""

COMMANDS = (
    "liv",
    "paint",
    "live bad/none.toml --headless",
    "live inputs/show.toml --headless --cue fourth",
    "live inputs/show.toml --headless --provider tpu",
    "live inputs/show.toml --headless --record bad/out.avi",
    "live inputs/show.toml --headless --profile bad/none.toml",
    "live inputs/show.toml --headless --profile bad/profile.toml",
    "live inputs/show.toml --headless --camera bad/none.mp4 --mic none --speaker none --seconds 2",
    "render --video bad/text.mp4 --out bad/out.mp4",
    "render --video inputs/speech.wav --out bad/out.mp4",
    "render --video inputs/clip.mp4 --out nowhere/out.mp4",
    "render --video inputs/clip.mp4 --out inputs/clip.mp4",
    "render --video inputs/clip.mp4 --out bad/out.mp4 --look bad/truncated.onnx",
    "render --video inputs/clip.mp4 --out bad/out.mp4 --look inputs/linda.onnx",
    "render --video inputs/speech.mkv --out bad/out.mp4 --voice gaint",
    "render --video inputs/speech.mkv --out bad/out.mp4 --voice inputs/porcelain.onnx",
    "render --video inputs/clip.mp4 --out bad/out.mp4 --provider tpu",
    "render --video inputs/clip.mp4 --out bad/out.mp4 --provider cuda --look inputs/porcelain.onnx",
    "prepare face bad/text.mp4 --out bad/data",
    "prepare face inputs/speech.wav --out bad/data",
    "prepare face inputs/clip.mp4 --out inputs",
    "prepare face inputs/clip.mp4 --out bad/data --size 8",
    "prepare voice bad/none.wav --out bad/data",
    "prepare voice inputs/clip.mp4 --out bad/data",
    "prepare voice inputs/p225_003.wav --out bad/data --rate 8000",
    "prepare voice inputs/p225_003.wav --out inputs",
    "prepare phonemes --out bad/data --corpus inputs",
    "prepare phonemes --out bad/data --corpus bad/corpus",
    "prepare fish",
    "train pix3pix data/face --out bad/run",
    "train pix2pix data/p225 --out bad/run",
    "train pix2pix bad/data-damaged --out bad/run",
    "train statistics data/face --out bad/run",
    "train statistics data/p225 data/p225 --out bad/run",
    "train recogniser data/p225 --out bad/run",
    "train pix2pix data/face --out bad/run --recipe modern",
    "train cyclegan_vc data/p225 --out bad/run --set version=1",
    "train pix2pix data/face --out bad/run --set ngf",
    "train pix2pix data/face --out bad/run --set ngf=many",
    "train pix2pix data/face --out bad/run --set ngg=8",
    "train pix2pix data/face --out bad/run --precision 16",
    "train pix2pix data/face --out bad/run --resume",
    "train pix2pix data/face --out bad/run --init bad/none",
    "train pix2pix data/face --out bad/run --init runs/gmm_vc --steps 1",
    "train pix2pix data/face --out runs/pix2pix",
    "train pix2pix data/face --out runs/gmm_vc --resume",
    "train pix2pix_student data/face --out bad/run --set teacher=runs/gmm_vc",
    "train voice_student data/p225 --out bad/run --set teacher=inputs/porcelain.onnx",
    "train ppg_vc data/p226 --out bad/run --set recogniser=runs/pix2pix",
    "export runs/pix2pix --out bad/out.onnx",
    "export runs/none --out bad/out.onnx --subject self",
    "export bad/run-empty --out bad/out.onnx --subject self",
    "export bad/run-truncated --out bad/out.onnx --subject self",
    "export runs/pix2pix --out bad/out.onnx --subject self --step 3",
    "export runs/pix2pix --out bad/out.onnx --subject self --target ben",
    "export runs/gmm_vc --out bad/out.onnx --subject self",
    "export runs/gmm_vc --out bad/out.onnx --subject p225=x --subject p226=y --target p227",
    "export runs/recogniser --out bad/out.onnx --subject self",
    "export runs/pix2pix --out nowhere/out.onnx --subject self",
    "reduce runs/pix2pix --out bad/reduced",
    "reduce runs/gmm_vc --out bad/reduced --subject self",
    "reduce runs/pix2pix --out bad/reduced --subject self --student runs/pix2pix",
    "inspect bad/none.onnx",
    "inspect bad",
    "inspect bad/text.onnx",
    "inspect bad/truncated.onnx",
    "inspect bad/no-manifest.onnx",
    "inspect bad/other-version.onnx",
    "inspect bad/no-subject.onnx",
    "inspect bad/unknown-key.onnx",
    "inspect bad/other-shape.onnx",
    "inspect bad/no-json.onnx",
    "evaluate face --look inputs/linda.onnx --footage inputs/clip.mp4 --out bad/seen",
    "evaluate face --look inputs/porcelain.onnx --footage bad/none.mp4 --out bad/seen",
    "evaluate voice --voice gaint --speech inputs/speech.wav --out bad/heard",
    "evaluate voice --voice giant --speech bad/text.mp4 --out bad/heard",
    "listen bad/none bad/corpus --out bad/test",
    "listen --result bad/none",
    "calibrate performer --out nowhere/p.toml --camera inputs/still.mkv",
    "calibrate performer --out bad/p.toml --camera bad/none.mkv",
    "bench fast",
    "bench speed --look bad/none.onnx",
)
"""In the words of a command line; paths are in the work folder."""
PATCHES = {
    "no-manifest": (b"guise", b"gvise"),
    "other-version": (b'"version": 2', b'"version": 7'),
    "no-subject": (b'"subject":', b'"subjekt":'),
    "unknown-key": (b'"licence":', b'"license":'),
    "other-shape": (b"[1, 256, 256, 3]", b"[1, 256, 256, 4]"),
    "no-json": (b'{"version"', b'["version"'),
}
"""Bytes of the manifest in a good model, and what stands there in a bad one."""


def make_bad_inputs(program: Program) -> None:
    """Fills WORK/bad from WORK/inputs, WORK/data and WORK/runs."""
    bad = program.at("bad")
    bad.mkdir()
    for name, text in SHOWS.items():
        (bad / f"{name}.toml").write_text(text, "utf-8")
    (bad / "profile.toml").write_text('[performer]\nneutral = [[0, 0]]\ncamra = "0"\n', "utf-8")
    for name in ("text.onnx", "text.mp4"):
        (bad / name).write_text("This is a text, whatever it is called.\n" * 20, "utf-8")
    (bad / "empty.onnx").touch()
    shutil.copyfile(program.at("inputs/linda.onnx"), bad / "linda.onnx")
    good = program.at("inputs/porcelain.onnx").read_bytes()
    (bad / "truncated.onnx").write_bytes(good[: len(good) // 2])
    for name, (before, after) in PATCHES.items():
        (bad / f"{name}.onnx").write_bytes(good.replace(before, after))
    _make_folders(program)


def _make_folders(program: Program) -> None:
    """Damaged runs, damaged data, a corpus with bad labels."""
    bad = program.at("bad")
    for run in ("run-damaged", "run-empty", "run-truncated"):
        (bad / run).mkdir()
        if program.at("runs/pix2pix").is_dir():
            shutil.copytree(program.at("runs/pix2pix"), bad / run, dirs_exist_ok=True)
    (bad / "run-damaged" / "run.json").write_text(json.dumps({"family": "pix2pix"}), "utf-8")
    shutil.rmtree(bad / "run-empty" / "checkpoints", ignore_errors=True)
    for path in (bad / "run-truncated").rglob("networks.safetensors"):
        path.write_bytes(path.read_bytes()[:1000])
    (bad / "data-damaged").mkdir()
    (bad / "data-damaged" / "dataset.json").write_text("{", "utf-8")
    (bad / "corpus").mkdir()
    shutil.copyfile(program.at("inputs/speech.wav"), bad / "corpus" / "said.wav")
    (bad / "corpus" / "said.PHN").write_text("0 100 what\n", "utf-8")

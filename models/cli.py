"""`guise prepare` and `guise train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from models.command_line import refuse
from models.training.registry import FAMILIES, UnknownFamily, family

prepare = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Footage or recordings -> a data set, with a report of what was left out and why.",
)
console = Console(stderr=True)


@prepare.callback()
def _prepare() -> None:
    """`face`, `voice` and `phonemes` are subcommands."""


@prepare.command("face")
def prepare_face(
    videos: Annotated[list[Path], typer.Argument(help="Footage of one person, about a minute in all")],
    out: Annotated[Path, typer.Option(help="Folder to write; it must not be there yet")],
    name: Annotated[str | None, typer.Option(help="What the person is called; else as the folder")] = None,
    size: Annotated[int, typer.Option(help="Width and height of the pictures", min=64, max=1024)] = 256,
) -> None:
    """Film a person for about a minute -> pairs of landmarks and pictures.

    Example: guise prepare face me.mp4 --out data/me
    """
    import cv2

    from models.features.face_points import LandmarkFileMissing
    from models.prepare.data_error import DataError
    from models.prepare.face import FaceOptions, report
    from models.prepare.face import prepare_face as run

    cv2.setNumThreads(1)
    try:
        with _ProgressBar() as (bar, task):

            def show(what: str, done: int, of: int) -> None:
                bar.update(task, description=what, completed=done, total=of)

            facts = run(videos, out, name, FaceOptions(size=size), show)
    except (DataError, LandmarkFileMissing) as error:
        refuse(error)
    print(report(facts), end="")
    print(f"a look at it: {out / 'contact_sheet.jpg'}")


@prepare.command("voice")
def prepare_voice(
    recordings: Annotated[list[Path], typer.Argument(metavar="AUDIO...", help="Recordings of one speaker, or folders")],
    out: Annotated[Path, typer.Option(help="Folder to write; it must not be there yet")],
    name: Annotated[str | None, typer.Option(help="What the speaker is called; else as the folder")] = None,
    rate: Annotated[int, typer.Option(help="Hz that the voice is learned at: 16000 or 24000")] = 16000,
    minutes: Annotated[float, typer.Option(help="Speech kept at most, spread evenly over what there is", min=0.1)] = 15,
    denoise: Annotated[bool, typer.Option("--denoise", help="Reduce steady noise first (FFmpeg's afftdn)")] = False,
    learn_all: Annotated[
        bool, typer.Option("--learn-all", help="Hold no sentence out: where there is hardly a minute")
    ] = False,
    channel: Annotated[
        str, typer.Option(metavar="auto|sum|N", help="Of the recordings: those that carry sound, all, or one")
    ] = "auto",
) -> None:
    """About a minute of speech -> sentences, each with its WORLD features; and the speaker's statistics.

    Example: guise prepare voice me.wav --out data/my-voice
    """
    from models.features.media.mixdown import channel_of
    from models.prepare.data_error import DataError
    from models.prepare.voice import VoiceOptions, report
    from models.prepare.voice import prepare_voice as run

    if rate not in (16000, 24000):
        refuse(f"--rate {rate} is not one that voices are learned at: choose 16000 or 24000")
    chosen = channel_of(channel)
    if chosen is None:
        refuse(f"--channel {channel}: expected auto, sum, or a channel's number from 1 on")
    try:
        with _ProgressBar() as (bar, task):

            def show(what: str, done: int, of: int) -> None:
                bar.update(task, description=what, completed=done, total=of)

            options = VoiceOptions(rate, chosen, minutes, denoise, learn_all)
            facts = run(recordings, out, name, options, show)
    except DataError as error:
        refuse(error)
    print(report(facts), end="")
    print(f"a look at it: {out / 'plots.png'}")


@prepare.command("phonemes")
def prepare_phonemes(
    out: Annotated[Path, typer.Option(help="Folder to write; it must not be there yet")],
    minutes: Annotated[float, typer.Option(help="Speech to synthesise", min=1)] = 120,
    corpus: Annotated[
        Path | None, typer.Option(help="Instead: a folder of recordings with TIMIT's labels beside them (.PHN)")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws the same voices, words and rooms", min=0)] = 0,
) -> None:
    """Speech with a known phoneme at every moment, for `guise train recogniser`: espeak-ng says it in many voices.

    Example: guise prepare phonemes --out data/phonemes
    """
    from models.prepare.data_error import DataError
    from models.prepare.spoken_corpus import prepare_phonemes as run
    from models.prepare.spoken_corpus import report

    try:
        with _ProgressBar() as (bar, task):

            def show(what: str, done: int, of: int) -> None:
                bar.update(task, description=what, completed=done, total=of)

            facts = run(out, minutes, corpus, seed, show)
    except DataError as error:
        refuse(error)
    print(report(facts), end="")


def train(
    family_name: Annotated[str, typer.Argument(metavar="FAMILY", help=f"One of: {', '.join(FAMILIES)}")],
    data: Annotated[list[Path], typer.Argument(help="What `guise prepare` wrote; a face, or any number of voices")],
    out: Annotated[Path, typer.Option(help="Folder of the training run")],
    steps: Annotated[int | None, typer.Option(help="Steps in all, instead of the recipe's", min=1)] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after so many minutes of training", min=0)] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, exactly where it stopped")
    ] = False,
    init: Annotated[Path | None, typer.Option(help="Another run, whose weights this one starts from")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same run", min=0)] = 0,
    recipe: Annotated[str, typer.Option(help="A named set of options")] = "default",
    devices: Annotated[
        int, typer.Option(help="GPUs (or CPU processes) on each host; `batch` is what each takes a step", min=1)
    ] = 1,
    nodes: Annotated[int, typer.Option(help="Hosts: give the command on each, see below", min=1)] = 1,
    precision: Annotated[
        str,
        typer.Option(
            help="auto, 32-true or bf16-mixed; auto: bf16 where it is multiplied in hardware; a resumed run keeps its "
            "own"
        ),
    ] = "auto",
    compile: Annotated[
        bool, typer.Option("--compile", help="torch.compile first: takes a C++ compiler and some time")
    ] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the family, see below")
    ] = None,
) -> None:
    """A data set -> a training run, with sample pictures and sounds for TensorBoard (tensorboard --logdir RUN/log).

    Ctrl-C saves and stops; --resume goes on. RUN/kept holds what it was after 100, 200, 500, 1000 steps and so on:
    `guise export --step` freezes one of them. Whoever wants the space may remove them.

    On several hosts DATA and --out must be the same folders for all, and each is told MASTER_ADDR and MASTER_PORT, the
    first host's address and a free port there, and NODE_RANK, its own number from 0 on.

    Example: guise train pix2pix data/me --out runs/me --minutes 40 --set ngf=32

    Example: guise train statistics data/anna data/ben --out runs/voices
    """
    try:
        kind = family(family_name)
    except UnknownFamily as error:
        refuse(error)
    except ModuleNotFoundError as error:
        refuse(f"training needs {error.name}: install the extra by `pip install guise[train]`")

    from models.prepare.data_error import DataError
    from models.training.checkpoint import BadRun
    from models.training.launch import RankFailed
    from models.training.launch import train as run
    from models.training.train import Plan, TrainingProgress

    if recipe not in kind.recipes:
        refuse(f"{family_name} has no recipe {recipe!r}: choose one of {', '.join(kind.recipes)}")
    if precision not in ("auto", "32-true", "bf16-mixed"):
        refuse(f"precision {precision!r} is not one of auto, 32-true, bf16-mixed")
    chosen: dict[str, object] = {**kind.recipes[recipe], **_pairs(settings or [])}
    if steps is not None:
        chosen["steps"] = steps
    try:
        options = kind.options.model_validate(chosen)
    except ValidationError as error:
        first = error.errors()[0]
        key = first["loc"][0] if first["loc"] else "?"
        refuse(f"--set {key}: {first['msg']}; {family_name} knows {', '.join(kind.options.model_fields)}")
    plan = Plan(
        kind, options, tuple(data), out, recipe, minutes, seed, resume, init, devices, nodes, precision, compile
    )
    try:
        with _ProgressBar() as (bar, task):

            def show(now: TrainingProgress) -> None:
                losses = "  ".join(f"{name} {value:.3f}" for name, value in now.losses.items())
                left = f"{now.left_s / 60:.0f} min left" if now.left_s > 90 else f"{max(now.left_s, 0):.0f} s left"
                text = f"step {now.step}  {left}  {losses}"
                bar.update(task, description=text, completed=now.step, total=now.steps)
                if not sys.stderr.isatty():
                    print(text, file=sys.stderr, flush=True)

            checkpoint = run(plan, show)
    except (DataError, BadRun) as error:
        refuse(error)
    except RankFailed as error:
        print(f"guise: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    except OSError as error:
        refuse(f"{out} cannot be written: {error.strerror or error}; what was saved before is whole")
    print(f'saved: {checkpoint}\nnext: guise export {out} --out NAME.onnx --subject "who this is, and on what consent"')


def _options_help() -> str:
    """The families' own options for --help; a family whose packages are missing says so."""
    parts = []
    for name in FAMILIES:
        try:
            fields = family(name).options.model_fields
        except ModuleNotFoundError as error:
            parts.append(f"{name}: install the extra `train` to see its options ({error.name} is missing)")
            continue
        rows = [
            f"{key}={field.default}" + (f" ({field.description})" if field.description else "")
            for key, field in fields.items()
        ]
        parts.append(f"Options of {name} for --set:\n\n" + "\n\n".join(rows))
    return "\n\n".join(parts)


if any(word in sys.argv for word in ("--help", "-h")) and "train" in sys.argv:
    train.__doc__ = f"{train.__doc__}\n\n{_options_help()}"


def _pairs(settings: list[str]) -> dict[str, str]:
    pairs = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            refuse(f"--set {setting!r} is not KEY=VALUE")
        pairs[key] = value
    return pairs


class _ProgressBar:
    """A progress bar on standard error; silent unless that is a terminal."""

    def __enter__(self) -> tuple[Progress, TaskID]:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._progress.start()
        return self._progress, self._progress.add_task("starting", total=None)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

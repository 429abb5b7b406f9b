"""The verbs `guise calibrate`, `evaluate`, `listen`, `doctor` and `bench`. Each imports what it needs when it is
called."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibration.bench.benchmark import BenchOptions, NotMeasured
from calibration.bench.registry import BENCHMARKS, load_benchmark
from models.command_line import refuse

if TYPE_CHECKING:
    from rich.status import Status

    from calibration.doctor import Finding
    from models.features.types import Progress
    from models.prepare.recordings import MediaKind


calibrate = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Measure the performer; the result is a profile that `guise live --profile` reads.",
)


@calibrate.callback()
def _calibrate() -> None:
    """Keeps `performer` a subcommand."""


@calibrate.command("performer")
def calibrate_performer(
    out: Annotated[Path, typer.Option(metavar="PROFILE.toml", help="The profile to write")],
    camera: Annotated[str, typer.Option(metavar="SRC", help="A camera's index or name, a file, a URL, or demo")] = "0",
    seconds: Annotated[float, typer.Option(help="How long to look", min=1, max=600)] = 10.0,
    headless: Annotated[bool, typer.Option("--headless", help="Needs no screen: it never does")] = False,
) -> None:
    """Look into the camera for ten seconds, face at rest, then speak, laugh and blink: the profile knows your face.

    Example: guise calibrate performer --camera 0 --out anna.toml
    """
    from rich.console import Console

    from calibration.measure.performer import NotCalibrated, measure_performer
    from live.picture.sources.movie_frames import BadSource
    from models.features.face_points import LandmarkFileMissing

    if out.is_dir() or not out.parent.is_dir():
        refuse(f"{out} cannot be written: name a file in a folder that is there")
    try:
        with Console(stderr=True).status("looking for a face ...") as status:

            def show_progress(at_s: float, faces: int) -> None:
                status.update(
                    f"{max(seconds - at_s, 0):.0f} s left, {faces} faces measured; rest, then speak, laugh, blink"
                )

            profile = measure_performer(camera, seconds, show_progress)
        out.write_text(profile.to_toml(), "utf-8")
    except (NotCalibrated, BadSource, LandmarkFileMissing) as error:
        refuse(error)
    except OSError as error:
        refuse(f"{out} cannot be written: {error.strerror or error}")
    mouth = profile.openings["mouth"]
    opens = f"the mouth opens from {mouth[0]:.2f} to {mouth[2]:.2f} eye distances"
    print(f"{out}: the median of {profile.faces} faces; {opens}")
    shown = profile.camera if "://" in camera else camera  # a URL may hold a password
    print(f"next: guise live SHOW.toml --camera {shown} --profile {out}")


evaluate = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="What a frozen model is worth, on footage or speech it was not made from.",
)


@evaluate.command("face")
def evaluate_face(
    look: Annotated[Path, typer.Option(metavar="FILE", help="The frozen look")],
    footage: Annotated[list[Path], typer.Option(metavar="VIDEO...", help="Who drives it: films, or folders of them")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where figures.json, movies and contact sheets go")],
    target: Annotated[
        list[Path] | None, typer.Option(metavar="VIDEO...", help="Footage of whom it is to show, for identity")
    ] = None,
) -> None:
    """Drives a look by footage, and measures whose face it shows and how well it follows.

    Example: guise evaluate face --look anna.onnx --footage ben.mp4 carla.mp4 --target anna.mp4 --out seen
    """
    from rich.console import Console

    from calibration.evaluate.driven_look import BadFootage
    from calibration.evaluate.evaluate_face import evaluate_look as evaluate
    from calibration.evaluate.figure_tables import print_face
    from export.artifact.bad_model import BadModel
    from live.picture.sources.movie_frames import BadSource
    from models.features.face_points import LandmarkFileMissing

    drivers, persons = _recordings(footage, "pictures"), _recordings(target or [], "pictures")
    try:
        with Console(stderr=True).status("opening the look ...") as status:
            metrics = evaluate(look, drivers, persons, out, _progress(status))
    except (BadModel, BadSource, BadFootage, LandmarkFileMissing) as error:
        refuse(error)
    except OSError as error:
        refuse(f"{out} cannot be written: {error.strerror or error}")
    print_face(metrics, out)


@evaluate.command("voice")
def evaluate_voice(
    voice: Annotated[
        list[str], typer.Option(metavar="FILE...", help="The frozen voice, or a preset's name; several to compare")
    ],
    speech: Annotated[list[Path], typer.Option(metavar="AUDIO...", help="Who speaks: recordings, or folders of them")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where figures.json, sounds and spectrograms go")],
    target: Annotated[
        list[Path] | None, typer.Option(metavar="AUDIO...", help="Recordings of whom it is to sound like")
    ] = None,
    source: Annotated[
        int, typer.Option(help="Who speaks, for voices that know several: 0 whoever, 1 the first", min=0)
    ] = 0,
    channel: Annotated[
        str, typer.Option(metavar="auto|sum|N", help="Of the recordings: those that carry sound, all, or one")
    ] = "auto",
) -> None:
    """Plays speech through a voice, block by block as on stage, and measures whose it sounds like and the words kept.

    Several voices, such as one frozen from each checkpoint, are also drawn side by side, by their training steps.

    Example: guise evaluate voice --voice anna.onnx --speech ben.wav --target anna1.wav anna2.wav --out heard
    """
    from rich.console import Console

    from calibration.evaluate.compare_voices import evaluate_voices as evaluate
    from calibration.evaluate.figure_tables import print_voice
    from calibration.measure.recordings import BadRecording
    from export.artifact.bad_model import BadModel
    from live.sound.sound_file import BadSound
    from models.features.media.mixdown import channel_of

    chosen = channel_of(channel)
    if chosen is None:
        refuse(f"--channel {channel}: expected auto, sum, or a channel's number from 1 on")
    speakers, persons = _recordings(speech, "sound"), _recordings(target or [], "sound")
    try:
        with Console(stderr=True).status("opening the voice ...") as status:
            metrics_by_voice = evaluate(voice, speakers, persons, out, source, _progress(status), chosen, _print_notes)
    except (BadModel, BadSound, BadRecording, ValueError) as error:
        refuse(error)
    except OSError as error:
        refuse(f"{out} cannot be written: {error.strerror or error}")
    for name, metrics in metrics_by_voice.items():
        print_voice(metrics, out if len(metrics_by_voice) == 1 else out / name)


def _recordings(paths: list[Path], kind: MediaKind) -> Sequence[Path]:
    """Those of files and folders; what is left out is said. Ends the verb where there is none."""
    from models.prepare.data_error import DataError
    from models.prepare.recordings import recordings_in

    if not paths:
        return ()
    try:
        found = recordings_in(paths, kind)
    except DataError as error:
        refuse(error)
    if found.left_out:
        print(found.report())
    return found.files


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        print(note)


def _progress(status: Status) -> Progress:
    def show(what: str, done: int, of: int) -> None:
        status.update(f"{what} ({done + 1} of {of}) ...")

    return show


def listen(
    sounds: Annotated[
        list[Path] | None, typer.Argument(metavar="[FOLDER...]", help="One a system, with sounds named alike")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where ranks.csv goes; it may go on there")] = None,
    question: Annotated[str, typer.Option(help="What listeners are asked")] = "Which sounds most natural?",
    result: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Instead: what was found, and FOLDER/result.png")
    ] = None,
) -> None:
    """A blind listening test in a browser of this machine: sounds in random order, ranked by ear; Ctrl-C ends it.

    Example: guise listen heard/old heard/new recordings/anna --out test

    Example: guise listen --result test
    """
    from calibration.listening.trials import BadListeningTest

    if (result is None) == (out is None) or (result is None) == (not sounds):
        refuse("name folders of sounds and --out FOLDER, or --result FOLDER alone")
    try:
        if result is not None:
            _print_listening(result)
        elif out is not None:
            _serve_listening(sounds or [], out, question)
    except BadListeningTest as error:
        refuse(error)
    except OSError as error:
        refuse(f"{out or result} cannot be written: {error.strerror or error}")


def _serve_listening(sounds: list[Path], out: Path, question: str) -> None:
    from calibration.listening.server import serve
    from calibration.listening.trials import ListeningTest

    test = ListeningTest(sounds, out)
    print(f"{len(test.trials)} trials of {len(test.systems)} sounds: {', '.join(test.systems)}")
    if test.left_out:
        print(f"left out, for not all have them: {', '.join(test.left_out)}")

    def show_progress(url: str) -> None:
        print(f"open {url} in a browser of this machine, again for each listener; Ctrl-C ends the test", flush=True)

    serve(test, question, show_progress)
    print(f"\nranks: {out / 'ranks.csv'}; next: guise listen --result {out}")


def _print_listening(folder: Path) -> None:
    from calibration.listening.result import count_text, draw_result, read_result

    result_found = read_result(folder)
    print(count_text(result_found))
    for system, (mean, low, high) in result_found.ranks.items():
        print(f"  {system}: mean rank {mean:.2f}, 95 % within {low:.2f} to {high:.2f}")
    if result_found.listeners == 1:
        print("one listener: the interval tells of their trials, not of other people")
    draw_result(result_found, folder / "result.png")
    print(f"picture: {folder / 'result.png'}")


def doctor(
    as_json_object: Annotated[bool, typer.Option("--json", help="Print one JSON object instead")] = False,
) -> None:
    """What this machine has, and what to install. Ends with 1 when something essential is missing.

    Example: guise doctor
    """
    from calibration.doctor import as_json, examine, healthy

    findings = examine()
    if as_json_object:
        print(json.dumps(as_json(findings), indent=1))
    else:
        _print_findings(findings)
    if not healthy(findings):
        raise typer.Exit(1)


def _print_findings(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        essential = finding.state == "missing" and finding.essential
        colour = {"ok": "green", "note": "yellow", "missing": "bold red" if essential else "yellow"}[finding.state]
        word = "MISSING" if essential else finding.state
        line = Text.assemble(f"{finding.name:<{width}}  ", (f"{word:<7}", colour), f"  {finding.what}")
        if finding.advice:
            line.append(f"; to do: {finding.advice}" if finding.state == "missing" else f"; {finding.advice}")
        console.print(line)


def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Measurements, or all")] = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write all figures to this file")
    ] = None,
    look: Annotated[Path | None, typer.Option(help="A look for speed, or for likeness one trained on talkerA")] = None,
    footage: Annotated[Path | None, typer.Option(help="Folder of real footage; else $GUISE_DATA/video")] = None,
    work: Annotated[Path | None, typer.Option(help="likeness: where it trains, and goes on from")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.2, help="memory, soak: of performing (10); likeness: of training (60)")
    ] = None,
    runs: Annotated[int | None, typer.Option(min=1, max=100, help="speed (1), start (3): how often")] = None,
) -> None:
    """Measures, and prints each figure beside what is wanted. Without names: the quick ones.

    Example: guise bench speed cue --json figures.json
    """
    chosen = _chosen(names or [])
    if look is not None:
        check_look(look)
    if footage is not None and not footage.is_dir():
        refuse(f"--footage {footage}: there is no such folder")
    if json_out is not None and (json_out.is_dir() or not json_out.parent.is_dir()):
        refuse(f"--json {json_out}: name a file in a folder that is there")
    failed = _run_benchmarks(chosen, BenchOptions(look, footage, work, minutes, runs), json_out)
    if not names:
        not_run = [
            f"`guise bench {name}` ({entry.minutes:g} min: {entry.what})"
            for name, entry in BENCHMARKS.items()
            if not entry.quick
        ]
        print(f"not run: {', '.join(not_run)}; all: `guise bench all`")
    if failed:
        raise typer.Exit(1)


def _run_benchmarks(names: list[str], options: BenchOptions, json_out: Path | None) -> list[str]:
    """Runs them one after the other, their metrics so far in `json_out`; returns the names of those that failed."""
    metrics: dict[str, object] = {}
    failed = []
    for name in names:
        print(f"{name}: {BENCHMARKS[name].what} (about {BENCHMARKS[name].minutes:g} min) ...", file=sys.stderr)
        try:
            metrics[name] = load_benchmark(name).run(options)
        except NotMeasured as error:
            failed.append(name)
            print(f"guise: {name} was not measured: {error}", file=sys.stderr)
        if json_out is not None:
            _write(json_out, metrics)
    return failed


bench.__doc__ = f"{bench.__doc__}\n\nMeasurements:\n\n" + "\n\n".join(
    f"{name}: {entry.what}; about {entry.minutes:g} min{'' if entry.quick else ', only when named'}"
    for name, entry in BENCHMARKS.items()
)


def _chosen(names: list[str]) -> list[str]:
    if not names:
        return [name for name, entry in BENCHMARKS.items() if entry.quick]
    if names == ["all"]:
        return list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            refuse(f"there is no measurement {name!r}: choose from {', '.join(BENCHMARKS)}, or all")
    return list(dict.fromkeys(names))


def check_look(look: Path) -> None:
    from export.artifact.bad_model import BadModel
    from export.artifact.model_file import check_model

    try:
        check_model(look, "look")
    except BadModel as error:
        refuse(error)


def _write(path: Path, metrics: Mapping[str, object]) -> None:
    try:
        path.write_text(json.dumps(metrics, indent=1), "utf-8")
    except OSError as error:
        refuse(f"--json {path} cannot be written: {error.strerror or error}")

"""The verbs `guise live` and `guise render`. Bad input ends with one line on standard error and exit code 2.

Heavy modules are imported when a verb is called.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.command_line import refuse

if TYPE_CHECKING:
    from models.features.media.mixdown import Channel


def live(
    show: Annotated[
        Path | None, typer.Argument(metavar="[SHOW.toml]", help="The show; without one, the demo show.")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(metavar="SRC", help="A webcam's index or name, a file, a URL, demo or none.")
    ] = None,
    mic: Annotated[
        str | None,
        typer.Option(metavar="SRC", help="A device's index or name, default, a file, demo or none."),
    ] = None,
    channel: Annotated[
        str, typer.Option(metavar="auto|sum|N", help="Of the microphone: channels that carry sound, all, or one.")
    ] = "auto",
    speaker: Annotated[
        str | None,
        typer.Option(metavar="DST", help="A device's index or name, default, a .wav to write, or none."),
    ] = None,
    cue: Annotated[str | None, typer.Option(metavar="NAME", help="The cue to begin with; else the first.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="No windows: a status line.")] = False,
    seconds: Annotated[
        float | None,
        typer.Option(metavar="N", help="End by itself after so long; with --record, counted from the first picture."),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="OUT.mp4", help="Record what the audience sees; playable even if killed."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="OUT.json", help="Write the figures of the performance, at its end.")
    ] = None,
    fullscreen: Annotated[
        str | None,
        typer.Option(metavar="SCREEN", help="The stage's screen, by name or number from 1; or window."),
    ] = None,
    profile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What `guise calibrate` measured of this performer.")
    ] = None,
    provider: Annotated[str, typer.Option(metavar="NAME", help="auto, tensorrt, cuda or cpu.")] = "auto",
    output: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=TARGET]", help="Pass picture and sound on, too: recorder=OUT.mp4. Again for more."),
    ] = None,
) -> None:
    """Performs: the operator's window, and the stage window that the audience sees.

    Example: guise live show.toml --camera 0 --fullscreen 2 --report tonight.json
    """
    try:
        from live.app import BadInput, LiveOptions, run_live

        outputs = tuple(output or ())
        options = LiveOptions(
            show=show,
            camera=camera,
            mic=mic,
            speaker=speaker,
            cue=cue,
            headless=headless,
            seconds=seconds,
            record=record,
            report=report,
            fullscreen=fullscreen,
            profile=profile,
            provider=provider,
            channel=_channel(channel),
            outputs=outputs,
        )
        code = run_live(options)
    except BadInput as error:
        refuse(str(error))
    except KeyboardInterrupt:  # before the show began
        raise typer.Exit(130) from None
    if code:
        raise typer.Exit(code)


def render(
    out: Annotated[Path, typer.Option("--out", metavar="OUT", help="The .mp4 to write; of --audio, .wav or .flac.")],
    video: Annotated[Path | None, typer.Option("--video", metavar="IN", help="The performer's movie.")] = None,
    audio: Annotated[
        Path | None, typer.Option("--audio", metavar="IN", help="Instead: a recording, for --voice alone.")
    ] = None,
    look: Annotated[str | None, typer.Option(metavar="FILE", help="A frozen look; else bypass.")] = None,
    voice: Annotated[
        str | None, typer.Option(metavar="FILE", help="A frozen voice, or a preset; else the sound stays as it is.")
    ] = None,
    channel: Annotated[
        str, typer.Option(metavar="auto|sum|N", help="What the voice hears: channels that carry sound, all, or one.")
    ] = "auto",
    profile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What `guise calibrate` measured of this performer.")
    ] = None,
    provider: Annotated[str, typer.Option(metavar="NAME", help="auto, tensorrt, cuda or cpu.")] = "auto",
    report: Annotated[Path | None, typer.Option(metavar="OUT.json", help="Write the figures.")] = None,
) -> None:
    """Performs offline: every frame of a movie and its sound, or a recording, by the same engines as on stage.

    Goes through the movie twice: first to learn the performer's face at rest from all of it, so that the first frames
    are as right as the last, then to perform. With --profile it goes through once.

    Example: guise render --video take.mp4 --look looks/porcelain.onnx --voice giant --out porcelain.mp4

    Example: guise render --audio take.wav --voice giant --out giant.wav
    """
    if (video is None) == (audio is None):
        refuse("give --video IN for a movie, or --audio IN for a recording")
    source, option = (video, "--video") if video is not None else (audio, "--audio")
    assert source is not None
    if not source.is_file():
        refuse(f"{option} {source}: there is no such file")
    if look is not None and look not in ("bypass", "safe") and not Path(look).is_file():
        refuse(f"--look {look}: there is no such file")
    if out.is_dir() or not out.resolve().parent.is_dir():
        refuse(f"--out {out}: expected a file's name in a folder that is there")
    if out.exists() and out.samefile(source):
        refuse(f"--out {out}: is the file that is read; choose another name")
    if provider.lower() not in ("auto", "tensorrt", "cuda", "cpu"):
        refuse(f"--provider {provider}: expected one of auto, tensorrt, cuda, cpu")
    chosen = _channel(channel)
    if voice is None and channel != "auto":
        refuse("--channel says what a voice hears: give --voice, too")
    if audio is None:
        _render(source, out, look or "bypass", voice, profile, provider.lower(), report, chosen)
        return
    if look is not None or profile is not None:
        refuse(f"--{'look' if look is not None else 'profile'} is for a movie: a recording has no face")
    if voice is None:
        refuse("--audio needs --voice FILE: a frozen voice, or a preset")
    _render_audio(audio, out, voice, provider.lower(), report, chosen)


def _channel(text: str) -> Channel:
    """Refuses what names none."""
    from models.features.media.mixdown import channel_of

    chosen = channel_of(text)
    if chosen is None:
        refuse(f"--channel {text}: expected auto, sum, or a channel's number from 1 on")
    return chosen


def _render_audio(audio: Path, out: Path, voice: str, provider: str, report: Path | None, channel: Channel) -> None:
    from rich.progress import Progress

    from live.manage.report import build_report, write_report
    from live.movie.render_audio import SUFFIXES, AudioNotRendered, render_audio

    if out.suffix.lower() not in SUFFIXES:
        refuse(f"--out {out}: expected a name that ends in .wav or .flac")
    try:
        with Progress(transient=True) as bar:
            task = bar.add_task(out.name)

            def show(done_s: float, of_s: float) -> None:
                bar.update(task, completed=done_s, total=of_s)

            part, notes = render_audio(audio, out, voice, provider=provider, channel=channel, progress=show)
    except (AudioNotRendered, RuntimeError) as error:
        refuse(error)
    except KeyboardInterrupt:
        typer.echo(f"guise: stopped; {out} can be heard up to here", err=True)
        raise typer.Exit(130) from None
    _write_report(report, lambda path: write_report(path, build_report(part, warnings=notes)))
    for note in notes:
        typer.echo(f"guise: {note}", err=True)
    typer.echo(f"{out}: {voice}")


def _write_report(path: Path | None, write: Callable[[Path], None]) -> None:
    if path is None:
        return
    try:
        write(path)
    except OSError as error:
        refuse(f"--report {path}: cannot be written: {error.strerror}")


def _render(
    video: Path,
    out: Path,
    look: str,
    voice: str | None,
    profile: Path | None,
    provider: str,
    report: Path | None,
    channel: Channel,
) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    from live.manage.report import build_report, write_report
    from live.movie.render import PERFORMING, RenderFailed
    from live.movie.render import render as render_movie
    from live.picture.settings import PictureSettings
    from live.picture.sources.movie_frames import BadSource
    from live.show.profile import BadProfile, read_profile
    from models.features.face_points import LandmarkFileMissing

    passes: dict[str, TaskID] = {}
    notes: list[str] = []
    try:
        neutral = None if profile is None else read_profile(profile).neutral
        settings = PictureSettings(provider=provider, neutral=neutral)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, transient=True) as bar:

            def progress(what: str, done: int, total: int | None) -> None:
                if what not in passes:
                    passes[what] = bar.add_task(f"{out.name}: {what}")
                bar.update(passes[what], completed=done, total=total)

            part = render_movie(
                video, out, look, voice, settings=settings, progress=progress, channel=channel, note=notes.extend
            )
    except (BadSource, BadProfile, RenderFailed, LandmarkFileMissing, RuntimeError) as error:
        refuse(str(error))
    except KeyboardInterrupt:
        playable = f"; {out} is playable up to here" if PERFORMING in passes else ""
        typer.echo(f"guise: stopped{playable}", err=True)
        raise typer.Exit(130) from None
    _write_report(report, lambda path: write_report(path, build_report(part, warnings=notes)))
    for note in notes:
        typer.echo(f"guise: {note}", err=True)
    typer.echo(f"{out}: {part['video']['frames_captured']} frames")

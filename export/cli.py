"""The verbs `guise inspect`, `guise export` and `guise reduce`. Each imports what it needs when it is called."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.command_line import refuse

if TYPE_CHECKING:
    from rich.table import Table

    from export.artifact.fields import Port, Subject
    from export.artifact.manifest import Manifest
    from export.freeze.reduce import Reduction

_CONSENT = "The record of the consent"
Who = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Whose likeness it is, by name; else as in NAME=TEXT.", rich_help_panel=_CONSENT),
]
Date = Annotated[
    str | None, typer.Option(metavar="YYYY-MM-DD", help="When the consent was given.", rich_help_panel=_CONSENT)
]
Purpose = Annotated[
    str | None, typer.Option(metavar="TEXT", help="What it was given for; else for anything.", rich_help_panel=_CONSENT)
]
Place = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Where it holds; else everywhere.", rich_help_panel=_CONSENT)
]
Until = Annotated[
    str | None,
    typer.Option(metavar="YYYY-MM-DD", help="The last day it holds; else for ever.", rich_help_panel=_CONSENT),
]


def inspect(
    model: Annotated[Path, typer.Argument(metavar="NAME.onnx", help="A frozen model.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON instead.")] = False,
) -> None:
    """What a frozen model is: whose likeness on what consent, what it reads and gives, where it comes from.

    Example: guise inspect looks/porcelain.onnx
    """
    from export.artifact.bad_model import BadModel
    from export.artifact.model_file import check_model, file_digest

    try:
        manifest = check_model(model)
        sha256 = file_digest(model)
    except (BadModel, OSError) as error:
        refuse(str(error))
    if as_json:
        typer.echo(manifest.model_dump_json(indent=1, exclude_none=True))
        return

    from rich.console import Console

    Console().print(_manifest_table(model, manifest, sha256))


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `guise train` wrote.")],
    out: Annotated[Path, typer.Option("--out", metavar="NAME.onnx", help="The frozen model to write.")],
    subject: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]TEXT",
            help="Whose likeness this is and on what consent: fictional, self, or a statement. "
            "Required; once a person where the run knows several.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which of the run's persons to freeze; for voices of many.")
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="fp32; fp16: half the file, the same arithmetic on a CPU, tf32 or fp16 on a GPU; int8, for looks: a "
            "quarter of the file, refused where it is not faster on this machine's CPU."
        ),
    ] = "fp32",
    step: Annotated[
        int | None, typer.Option(help="One of the checkpoints kept on the way, in RUN/kept; else the newest.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Its name in the library; else the person's.")] = None,
    licence: Annotated[str | None, typer.Option(help="On what terms others may use it.")] = None,
    tensorrt: Annotated[
        bool, typer.Option("--tensorrt", help="Build the TensorRT engine for this machine's GPU, too.")
    ] = False,
    who: Who = None,
    date: Date = None,
    purpose: Purpose = None,
    place: Place = None,
    until: Until = None,
) -> None:
    """Freezes a training run into ONE .onnx file that performs, and checks it against the network.

    Example: guise export runs/anna --out looks/anna.onnx --subject "self" --precision fp16

    Example: guise export runs/voices --target ben --out ben.onnx --subject anna=self --subject "ben=signed, 3 May"

    Example: guise export runs/anna --step 2000 --out looks/anna-2000.onnx --subject "self"

    Example: guise export runs/anna --out anna.onnx --subject signed --who "Anna Lind" --date 2026-05-03 --place Berlin

    The engine that --tensorrt builds goes to the user's cache folder. Where it cannot be had, the frozen model is
    written all the same, and the exit code is 2.
    """
    from export.artifact.fields import PRECISIONS

    if precision not in PRECISIONS:
        refuse(f"--precision {precision} is not known: choose from {', '.join(PRECISIONS)}")
    if not subject or not all(_statement(text) for text in subject):
        refuse("say whose likeness this is and on what consent: --subject fictional, --subject self, or a statement")

    try:
        from export.freeze.freeze import NotFrozen, freeze
        from export.freeze.verify import NotFaithful
        from models.training.checkpoint import BadRun
    except ModuleNotFoundError as error:
        refuse(f"exporting needs the train extra, and {error.name} is not installed: pip install 'guise[train]'")
    from rich.console import Console

    from export.artifact.bad_model import BadModel

    console = Console(stderr=True)
    try:
        record = _record(run, subject, who=who, date=date, purpose=purpose, place=place, until=until)
        with console.status("freezing, and comparing with the network ..."):
            manifest = freeze(run, out, record, precision, name, licence, target, step)
    except (NotFrozen, NotFaithful, BadRun, BadModel, OSError) as error:
        refuse(str(error))
    parity = manifest.training.metrics["parity"]
    typer.echo(
        f"{out}: {manifest.name}, {out.stat().st_size / 1e6:.1f} MB, {manifest.precision}; differs from the network by "
        f"{json.dumps(parity)}{' in 1/255' if manifest.kind == 'look' else ' at most'}"
    )
    if tensorrt:
        _build_engine(out)


def reduce(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `guise train` wrote; of a look.")],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the frozen models go.")],
    subject: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Whose likeness this is and on what consent: fictional, self, or a text."),
    ] = None,
    student: Annotated[
        list[Path] | None,
        typer.Option(metavar="RUN", help="A run of pix2pix_student that this one taught; again for more."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="What the run learned from: its held-out part is painted."),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="On what terms others may use it.")] = None,
    who: Who = None,
    date: Date = None,
    purpose: Purpose = None,
    place: Place = None,
    until: Until = None,
) -> None:
    """Freezes a look in every size it can be had in, and prints what each costs and what it is worth.

    fp32, fp16, int8 where that is faster here, and each student in fp16; timed in turn, as the stage would run them.

    Example: guise reduce runs/anna --out looks/anna --subject self --student runs/anna16 --data data/anna
    """
    if not subject or not subject.strip():
        refuse("say whose likeness this is and on what consent: --subject fictional, --subject self, or a statement")
    if out.exists() and not out.is_dir():
        refuse(f"--out {out} is a file: name a folder")
    try:
        from export.freeze.freeze import NotFrozen
        from export.freeze.reduce import read_look_run
        from export.freeze.reduce import reduce as write_reduction
        from export.freeze.verify import NotFaithful
        from models.prepare.data_error import DataError
        from models.training.checkpoint import BadRun
    except ModuleNotFoundError as error:
        refuse(f"reducing needs the train extra, and {error.name} is not installed: pip install 'guise[train]'")
    from rich.console import Console

    from export.artifact.bad_model import BadModel
    from models.features.face_points import LandmarkFileMissing

    try:
        read_look_run(run)
        record = _record(run, [subject], who=who, date=date, purpose=purpose, place=place, until=until)
        with Console(stderr=True).status("reading the run ...") as status:
            reduction = write_reduction(
                run,
                out,
                record,
                students=student or (),
                data=data,
                licence=licence,
                on_step=lambda what: status.update(f"{what} ..."),
            )
    except (NotFrozen, NotFaithful, BadRun, BadModel, DataError, LandmarkFileMissing, OSError) as error:
        refuse(str(error))
    _print_reduction(reduction)
    typer.echo(f"files and figures: {out}")


def _print_reduction(reduction: Reduction) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    title = f"{reduction.name}, {reduction.rounds} runs each in turn on {reduction.provider}; differences in 1/255"
    table = Table(title=Text(title), title_justify="left")
    table.add_column("file", overflow="fold")
    heads = ["MB", "p50, ms", "p95, ms", "differs, mean", "most"]
    has_quality = reduction.files[0].quality is not None
    if has_quality:
        heads += ["SSIM", "L1", "expression", "sharpness", "flicker"]
    for head in heads:
        table.add_column(head, justify="right")
    for file in reduction.files:
        cells = [f"{file.megabytes:.1f}", f"{file.p50_ms:.1f}", f"{file.p95_ms:.1f}"]
        cells += [f"{file.difference_mean:.2f}", f"{file.difference_max:.0f}"]
        if file.quality is not None:
            cells += ["-" if value is None else f"{value:.3f}" for value in file.quality.as_dict().values()]
        table.add_row(Text(file.file), *cells)
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table)
    if has_quality:
        typer.echo(
            f"medians over {reduction.pictures} held-out pictures, against film; sharpness and flicker: film is 1"
        )
    if reduction.left_out:
        typer.echo(reduction.left_out)


def _build_engine(model: Path) -> None:
    """Builds the engine of the frozen model just written; where it cannot, says why and that the model is there
    nonetheless."""
    from rich.console import Console

    from export.runtime.providers import unavailable_reason
    from export.runtime.tensorrt import NotBuilt, build_engine

    reason = unavailable_reason("TensorRT")
    try:
        if reason is not None:
            raise NotBuilt(reason)
        with Console(stderr=True).status("building the TensorRT engine for this GPU, which takes minutes ..."):
            engine = build_engine(model)
    except (NotBuilt, OSError) as error:
        refuse(f"{model} is written; its TensorRT engine is not built: {error}")
    typer.echo(
        f"{engine.key.folder}: the engine for {engine.key.gpu}, {engine.megabytes:.1f} MB, {engine.trial.arithmetic}, "
        f"built in {engine.build_s:.0f} s, loads in {engine.trial.load_s:.1f} s; differs from the model by at most "
        f"{engine.trial.difference:.1f} in 1/255"
    )


def _statement(subject: str) -> str:
    """The TEXT of [NAME=]TEXT, without the spaces around it."""
    name, equals, after = subject.partition("=")
    return (after if equals and name.strip() else subject).strip()


def _record(run: Path, texts: list[str], *, who: str | None, **parts: str | None) -> Subject:
    """The consent as the options give it; refuses what is no record of one. Raises NotFrozen, BadRun."""
    from pydantic import ValidationError

    from export.artifact.fields import Subject
    from export.artifact.model_file import first_error

    named, statement = _consent_of(run, texts)
    try:
        return Subject.model_validate({"statement": statement, "who": who or named, **parts})
    except ValidationError as error:
        refuse(f"--{first_error(error).replace('statement', 'subject', 1)}")


def _consent_of(run: Path, texts: list[str]) -> tuple[str | None, str]:
    """Who the persons of the run are, where the texts name them, and their consents in one line.

    In a run of several persons, each must be named.
    """
    from export.freeze.freeze import NotFrozen
    from models.prepare.voice_facts import SpeakersFacts
    from models.training.checkpoint import read_run

    facts = read_run(run).facts
    persons = [speaker.name for speaker in facts.speakers] if isinstance(facts, SpeakersFacts) else []
    persons = persons or [facts.name or ""]
    name, equals, statement = texts[0].partition("=")
    if len(persons) == 1:
        if len(texts) == 1 and equals and name.strip() == persons[0]:
            return persons[0], statement.strip()
        return None, "; ".join(texts)
    with_statement = {text.partition("=")[0].strip() for text in texts if "=" in text}
    missing = [person for person in persons if person not in with_statement]
    if missing:
        raise NotFrozen(
            f"this run holds the voices of {', '.join(persons)}: say on what consent for each, "
            f"--subject {missing[0]}=TEXT ({len(missing)} missing)"
        )
    unknown = sorted(with_statement - set(persons))
    if unknown:
        raise NotFrozen(f"--subject {unknown[0]}=...: this run knows {', '.join(persons)}")
    return ", ".join(persons), "; ".join(texts)


def _manifest_table(path: Path, manifest: Manifest, sha256: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, title=Text(f"{manifest.name}: a {manifest.kind}"), title_justify="left")
    table.add_column(style="bold")
    # A cell that folds: a long statement of consent must be readable to its end.
    table.add_column(overflow="fold")
    # Text, not markup: the content of a file must not be able to colour or hide anything.
    for label, value in _manifest_rows(path, manifest, sha256):
        table.add_row(Text(label), Text(value))
    return table


def _manifest_rows(path: Path, manifest: Manifest, sha256: str) -> list[tuple[str, str]]:
    rows = [
        *_subject_rows(manifest.subject),
        ("licence", manifest.licence),
        ("family", manifest.family),
        ("file", f"{path.stat().st_size / 1e6:.1f} MB, weights in {manifest.precision}"),
        ("sha256", sha256),
        ("reads", ", ".join(f"{name} {_port_text(port)}" for name, port in manifest.inputs.items())),
        ("gives", ", ".join(f"{name} {_port_text(port)}" for name, port in manifest.outputs.items())),
    ]
    if manifest.form is not None:
        rows.append(("form", manifest.form))
    if manifest.lines is not None:
        rows.append(("lines", manifest.lines.style))
    if manifest.set is not None:
        network = f"ngf {manifest.set.ngf}, " if manifest.set.ngf else ""
        rows.append(("set", f"{manifest.set.id}: {network}size {manifest.set.size}, {manifest.set.precision}"))
    if manifest.sample_rate is not None:
        rows.append(("sound", _sound_text(manifest.sample_rate, manifest.hop, manifest.lookahead)))
    for speaker in manifest.speakers:
        low, hz, high = (math.exp(speaker.lf0_mean + k * speaker.lf0_std) for k in (-1, 0, 1))
        label = "becomes" if speaker.target else "knows"
        rows.append((label, f"{speaker.name}, {hz:.0f} Hz ({low:.0f} to {high:.0f})"))
    for name, parameter in manifest.parameters.items():
        rows.append((f"set {name}", f"{parameter.low:g} to {parameter.high:g} {parameter.unit}".strip()))
    if manifest.conditioning:
        rows.append(("conditioning", json.dumps(manifest.conditioning, ensure_ascii=False)))
    training = manifest.training
    rows.append(("trained", f"{training.steps} steps, {training.samples_seen} samples, {training.minutes:.1f} minutes"))
    rows.append(("data", training.data_digest))
    rows.append(("revision", training.revision or "not known"))
    rows += [(name, json.dumps(value)) for name, value in training.metrics.items()]
    if training.options:
        rows.append(("options", ", ".join(f"{key}={json.dumps(value)}" for key, value in training.options.items())))
    return rows


def _subject_rows(subject: Subject) -> list[tuple[str, str]]:
    if subject.who is None:
        rows: list[tuple[str, str | None]] = [("likeness of", subject.statement)]
    else:
        rows = [("likeness of", subject.who), ("consent", subject.statement)]
    rows += [("given on", subject.date), ("purpose", subject.purpose), ("place", subject.place)]
    rows.append(("holds until", subject.until))
    return [(label, value) for label, value in rows if value is not None]


def _sound_text(sample_rate: int, hop: int | None, lookahead: int | None) -> str:
    if hop is None:
        return f"{sample_rate} Hz"
    latency_ms = 1000 * ((lookahead or 0) + hop) / sample_rate
    return f"{sample_rate} Hz, hops of {hop} samples, {latency_ms:.1f} ms of latency"


def _port_text(port: Port) -> str:
    return f"{port.dtype} {' x '.join(map(str, port.shape))}"

"""Writes the reference tables of docs/ from the code that reads what they describe.

    python -m tests.docs.make_references

Each table stands between two comments of its page, `<!-- table: NAME -->` and `<!-- end -->`; the rest of a page is
written by hand. tests/docs/test_references.py fails when a table is stale.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from live.app import DEMO_SHOW
from live.control.actions import ACTIONS
from live.control.keys import keys_of
from live.show.parameter_table import PARAMETERS
from live.show.show_keys import CUE_KEYS, LOST_FACE_KEYS, SHOW_KEYS, ShowKey
from live.sound.presets import PRESETS, WorldChorus, WorldPreset
from live.sound.waveform_voice import VoiceCopy, WaveformPreset
from models.training.registry import FAMILIES, family
from tests.bench.structure import ROOT

TABLE = re.compile(r"(<!-- table: ([^>]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def tables() -> dict[str, Callable[[], str]]:
    """Every table by its name."""
    makers: dict[str, Callable[[], str]] = {
        "keys of [show]": lambda: show_keys(SHOW_KEYS),
        "keys of lost_face": lambda: show_keys(LOST_FACE_KEYS),
        "keys of [[cue]]": lambda: show_keys(CUE_KEYS),
        "parameters": parameters,
        "parameters of the demo's models": demo_parameters,
        "preset voices": preset_voices,
        "actions": actions,
    }
    return makers | {f"options of {name}": partial(options, name) for name in FAMILIES}


def made(page: str) -> str:
    """The page with all its tables made anew. Raises KeyError for a table that does not exist."""
    makers = tables()
    return TABLE.sub(lambda found: f"{found[1]}\n{makers[found[2]]()}\n{found[3]}", page)


def show_keys(keys: Iterable[ShowKey]) -> str:
    rows = ([code(key.name), key.expected, code(key.default) if key.default else "", key.meaning] for key in keys)
    return table(("key", "expects", "default", "meaning"), rows)


def parameters() -> str:
    rows = (
        [
            code(entry.name),
            entry.unit,
            f"{entry.low:g} to {entry.high:g}",
            f"{entry.default:g}",
            entry.lasts.value + ("; eased over the cue's transition" if entry.eased else ""),
            entry.meaning,
        ]
        for entry in PARAMETERS
    )
    return table(("parameter", "unit", "range", "default", "lasts", "meaning"), rows)


def demo_parameters() -> str:
    """Of the frozen models that are shipped; a sentence when they have none of their own."""
    from export.artifact.model_file import read_manifest

    rows = []
    for path in sorted(DEMO_SHOW.parent.glob("*/*.onnx")):
        for name, parameter in read_manifest(path).parameters.items():
            rows.append(
                [code(path.name), code(name), f"{parameter.low:g} to {parameter.high:g}", f"{parameter.default:g}"]
            )
    if not rows:
        return "The demo's looks and voices have no parameters of their own.\n"
    return table(("model", "parameter", "range", "default"), rows)


def preset_voices() -> str:
    return table(("voice", "what it does"), ([code(name), preset_text(preset)] for name, preset in PRESETS.items()))


def preset_text(preset: WorldPreset | WorldChorus | WaveformPreset) -> str:
    """All that a preset changes, with its figures."""
    if isinstance(preset, WorldChorus):
        return f"by WORLD; own voice at {preset.level:g}, with {copies_text(preset.copies)}"
    parts = ["by WORLD" if isinstance(preset, WorldPreset) else "the waveform"]
    parts += [
        f"{what} {value:+g} semitones"
        for what, value in (("pitch", preset.pitch), ("formants", preset.formant))
        if value
    ]
    if isinstance(preset, WorldPreset):
        parts += ["one pitch, the speaker's mean"] if preset.monotone else []
        parts += [f"one pitch, {preset.note_hz:g} Hz"] if preset.note_hz is not None else []
        parts += ["whispered"] if preset.whisper else []
        parts += ["no breath, the spectrum in steps"] if preset.stiff else []
        parts += [f"level {preset.level_db:+g} dB"] if preset.level_db else []
    else:
        parts += [f"one pitch, {preset.monotone_hz:g} Hz"] if preset.monotone_hz else []
        parts += [f"breath {preset.breath:g}"] if preset.breath else []
        parts += [copies_text(preset.copies)] if preset.copies else []
    return ", ".join(parts)


def copies_text(copies: Iterable[VoiceCopy]) -> str:
    texts = (f"{c.cents:+g} cents, formants {c.formant:+g}, {c.delay_ms:g} ms late, at {c.level:g}" for c in copies)
    return "copies: " + "; ".join(texts)


def actions() -> str:
    rows = (
        [
            code(action.name),
            ", ".join(f"{name}: {kind.__name__}" for name, kind in action.parameters),
            ", ".join(keys_of(action.name)),
            action.meaning,
        ]
        for action in ACTIONS
    )
    return table(("action", "arguments", "keys", "meaning"), rows)


def options(name: str) -> str:
    """The options of a family, with what each recipe sets otherwise."""
    found = family(name)
    fields = found.options.model_fields
    rows = ([code(key), value_text(field.default), field.description or ""] for key, field in fields.items())
    all_options = table(("option", "default", "meaning"), rows)
    others = [recipe_text(recipe, chosen) for recipe, chosen in found.recipes.items() if chosen]
    return all_options + ("\n" + "\n".join(others) + "\n" if others else "")


def recipe_text(recipe: str, chosen: Mapping[str, object]) -> str:
    return f"`--recipe {recipe}`: " + ", ".join(f"{key} {value_text(value)}" for key, value in chosen.items()) + "."


def value_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value) if value != "" else "none"


def code(text: str) -> str:
    return f"`{text}`" if not re.search(r"^the |^never$|^black$", text) else text


def table(heads: tuple[str, ...], rows: Iterable[list[str]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def main() -> None:
    """Writes every page anew that has tables."""
    for page in sorted(Path(ROOT / "docs").glob("*.md")):
        before = page.read_text("utf-8")
        after = made(before)
        if after != before:
            page.write_text(after, "utf-8")
            print(f"written: {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

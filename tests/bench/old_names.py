"""Which names of the first version are left in the code, and why.

    python -m tests.bench.old_names

A name counts as an identifier, a keyword argument or a module's name, not as a word of a comment or a message. Exit
code 1 when one is left without a reason.
"""

from __future__ import annotations

import io
import sys
import tokenize
from collections import Counter

from tests.bench.structure import PACKAGES, relative, sources

_TABLE = """
    account Account presses Presses FRIGHT_S cue_road CueRoad pardon watched_engine WatchedEngine verdict due begun
    take_state stage_state _heed _told _keep_together _Post _deaf_to_interrupts acts Acts Act Entrance Safe
    nothing_right instead_of mend mended LYING_READS LYING_READ_S lies patient_until doors Doors desk Desk hear heard
    played PlayedNews Played hearers VoiceInLine VoiceThread Shaping Singer run_first as_any_other remembered
    Remembered wakefulness Wakefulness arrangement Arrangement elided Elided head Head wording question agreed Heard
    lay Periods Stretch as_loud AsLoud Convert changing_filter ChangingFilter together Becoming _believed breath
    chosen_of names_of prior_of sung spread spreads made said told tell judge judged judges JudgingConv Judges settle
    Told Apart Finer Ears ears like ByPhonemes Listened verdict_loss agreement Agreement second_person rough_sound
    speech_parts words voice_lessons VoiceLessons anybody_16k phases Phases DRAWINGS drawn NotSooner SOONER _OnTheCard
    _OwnThread _leave figures somebody whoever
"""
OLD_NAMES = frozenset(_TABLE.split())
"""Those of the table in the plan of this change, and the words it gives up: the senses as verbs, and nobody's names."""

KEPT: dict[str, str] = {
    "Head": "a drawn head of the demo's characters",
    "breath": "a preset's parameter: how much of the voice is breath",
    "due": "a time that is due, in the benchmarks' watcher",
    "head": "a drawn head; the header of shared frames; the first part of a TOML key",
    "phases": "of the sine components of noise",
    "played": "sound that was played, where it is literal",
    "question": "a question of the listening test",
    "settle": "an option's name, `--set settle=N`",
    "spread": "the width of a drawn shape; pixels of a blur",
    "words": "words of a text",
}
"""Name -> why it stays."""


def left() -> dict[str, Counter[str]]:
    """Old name -> the files it is still found in, and how often."""
    found: dict[str, Counter[str]] = {}
    for path in sources(*PACKAGES):
        for name in {path.stem, path.parent.name} & OLD_NAMES:
            found.setdefault(name, Counter())[relative(path)] += 1
        for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
            if token.type == tokenize.NAME and token.string in OLD_NAMES:
                found.setdefault(token.string, Counter())[relative(path)] += 1
    return found


def main() -> int:
    """Prints what is left; 1 where a reason is missing."""
    found = left()
    unexplained = sorted(set(found) - set(KEPT))
    for name, reason in sorted(KEPT.items()):
        print(f"{name}: {sum(found.get(name, Counter()).values())} times; {reason}")
    for name in unexplained:
        files = ", ".join(f"{file} ({count})" for file, count in found[name].most_common(6))
        print(f"{name}: {sum(found[name].values())} times, for no reason: {files}")
    print(f"{len(OLD_NAMES)} old names, {len(found)} left, {len(unexplained)} of them without a reason")
    return int(bool(unexplained))


if __name__ == "__main__":
    sys.exit(main())

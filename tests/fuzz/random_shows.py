"""Random shows: those that are nearly right, and those that no hand wrote."""

from __future__ import annotations

from pathlib import Path
from random import Random

from live.show.show_file import BadShow, read_show
from live.show.show_models import check_models

WORDS = (
    *("show", "cue", "name", "look", "voice", "transition_s", "set", "follow_s", "frame", "safe_picture", "lost_face"),
    *("hold_s", "fade_s", "sound_miss", "sync", "loop", "bypass", "safe", "silence", "dry", "octave-down", "looks"),
    *("sound/pitch", "sound/gain", "sound/wait_s", "picture/latency_s", "a.onnx", "../a.onnx", "/dev/zero", "safe.png"),
)
PIECES = (
    *("[", "]", "[[", "]]", "{", "}", "=", ".", ",", '"', "'", '"""', "'''", "#", "\\", "\n", "\r\n", "\t", " ", "\0"),
    *("\ufeff", "\u202e", "\u2028", "\x1b[31m", "true", "false", "nan", "inf", "-", "+", "_", "e", "0x", "1979-05-27"),
    *("07:32:00", "\\u0000", "\\ud800", "\\U00110000", "\U0001f468\u200d\U0001f469", "\u0130", "Å", "\u0301"),
)


def read_one(random: Random, folder: Path) -> str:
    """Reads one random show."""
    (folder / "safe.png").write_bytes(b"picture")
    (folder / "a.onnx").write_bytes(b"model")
    path = folder / "show.toml"
    path.write_bytes(_text(random).encode("utf-8", "surrogatepass")[: random.choice((2_000_000, 900_000))])
    try:
        check_models(read_show(path))
    except BadShow as error:
        text = str(error)
        assert text.isprintable(), text
        assert len(text) < 2000, text
        return "refused"
    return "read"


def _text(random: Random) -> str:
    text = random.choice((_plausible, _plausible, _soup, _nested, _long_numbers, _many_blanks, _many_dots, _large))(
        random
    )
    return _damaged(random, text) if random.random() < 0.5 else text


def _plausible(random: Random) -> str:
    lines = ["[show]", *(_statement(random) for _ in range(random.randrange(4)))]
    for number in range(random.choice((0, 1, 2, 5, 30))):
        lines += ["[[cue]]", f"name = 'cue {number}'", f"look = {random.choice(('', _value(random), repr('safe')))}"]
        lines += [_statement(random) for _ in range(random.randrange(3))]
    return "\n".join(lines) + "\n"


def _statement(random: Random) -> str:
    key = random.choice(WORDS)
    return f"{key if random.random() < 0.7 else repr(key)} = {_value(random)}"


def _value(random: Random, depth: int = 0) -> str:
    kind = random.randrange(8 if depth < 4 else 6)
    if kind == 0:
        return str(random.choice((0, -1, 1e306, 0.5, 10**18, -(10**30), 86_401)))
    if kind == 1:
        return random.choice(("true", "false", "nan", "-inf", "1979-05-27", "07:32:00"))
    if kind < 6:
        return repr(random.choice((*WORDS, *PIECES)))
    if kind == 6:
        return "[" + ", ".join(_value(random, depth + 1) for _ in range(random.randrange(4))) + "]"
    return "{" + ", ".join(f"{random.choice(WORDS)!r} = {_value(random, depth + 1)}" for _ in range(3)) + "}"


def _soup(random: Random) -> str:
    return "".join(random.choice((*WORDS, *PIECES)) for _ in range(random.choice((3, 30, 300, 3000))))


def _nested(random: Random) -> str:
    depth, (opened, closed) = random.choice((10, 200, 2000, 100_000)), random.choice(("[]", "{}", ("{a=", "}")))
    return f"[[cue]]\nname = 'a'\nx = {opened * depth}1{closed * random.choice((0, depth))}\n"


def _long_numbers(random: Random) -> str:
    digits = random.choice((20, 400, 4299, 4301, 9_000, 100_000))
    number = random.choice(("9", "-9", "0.9", "1e9", "0x9", "9_9")) + "9" * digits
    return f"[[cue]]\nname = 'a'\nlook = 'safe'\n{random.choice(('transition_s', 'follow_s', 'x'))} = {number}\n"


def _many_blanks(random: Random) -> str:
    blanks = random.choice((" ", "\t", " \t")) * random.choice((50, 600, 3000, 9990, 100_000))
    lines = [f"{blanks}", f"# a{blanks}", f"name{blanks}= 'a'", f"look ={blanks}'safe'", f"{blanks}x", f"[cue{blanks}]"]
    return "\n".join(["[[cue]]", *random.choices(lines, k=random.choice((1, 3, 60)))]) + "\n"


def _many_dots(random: Random) -> str:
    count = random.choice((3, 49, 60, 2000, 20_000))
    key = random.choice((".", " . ")).join([random.choice(("a", '"a"', "'a'"))] * count)
    return random.choice((f"{key} = 1\n", f"[{key}]\n", f"[[{key}]]\n", f"[[cue]]\n{key} = 1\n{key} = 2\n"))


def _large(random: Random) -> str:
    cue = f"[[cue]]\nname = '%d'\nlook = 'safe'\n# {'x' * random.choice((0, 500, 9_900))}\n"
    count = min(random.choice((100, 999, 1001, 20_000)), 2_500_000 // len(cue))
    return "".join(cue % number for number in range(count))


def _damaged(random: Random, text: str) -> str:
    for _ in range(random.choice((1, 3, 20))):
        at = random.randrange(len(text) + 1)
        cut = at + random.choice((0, 0, 1, 10, 1000))
        text = text[:at] + random.choice(("", *PIECES, *WORDS)) * random.choice((1, 1, 1, 200)) + text[cut:]
    return text

"""The phonemes of English that the recogniser distinguishes, and their labels in espeak-ng and TIMIT.

The 39 to which TIMIT's 61 are usually folded (Lee and Hon, "Speaker-independent phone recognition using hidden Markov
models", IEEE TASSP 1989), except that `ao` and `zh` are kept, and a stop's closure is labelled as the stop, not as
silence: a voice has to know which stop follows.
"""

from __future__ import annotations

_PHONEMES = """
sil aa ae ah ao aw ay b ch d dh dx eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh
"""
PHONEMES = tuple(_PHONEMES.split())
SILENCE = 0
UNLABELLED = 255
"""The label of unknown frames, which training skips."""

ESPEAK = {
    name: phoneme
    for phoneme, names in {
        "sil": "_ _: _:: _! _|", "aa": "0 A: A@ A", "ae": "a", "ah": "V @ @2 @- a#", "ao": "O: O@ o@ O2 O", "aw": "aU",
        "ay": "aI aI2 aI3 aI@", "b": "b", "ch": "tS", "d": "d", "dh": "D", "dx": "t#", "eh": "E e@", "er": "3 3: IR VR",
        "ey": "eI", "f": "f", "g": "g", "hh": "h", "ih": "I I2 I#", "iy": "i i: i@", "jh": "dZ", "k": "k", "l": "l @L",
        "m": "m", "n": "n n-", "ng": "N", "ow": "oU", "oy": "OI", "p": "p", "r": "r r-", "s": "s", "sh": "S",
        "t": "t t2", "th": "T", "uh": "U U@", "uw": "u:", "v": "v", "w": "w w#", "y": "j", "z": "z", "zh": "Z",
    }.items()
    for name in names.split()
}  # fmt: skip
"""espeak-ng's mnemonics in the accents of models.prepare.espeak. Others are not labelled."""
LENGTHENS = ";"
"""The mnemonic that only describes the end of the sound before."""

TIMIT = {
    name: phoneme
    for phoneme, names in {
        "sil": "h# pau epi sil", "ah": "ah ax ax-h", "b": "b bcl", "d": "d dcl", "er": "er axr", "g": "g gcl",
        "hh": "hh hv", "ih": "ih ix", "k": "k kcl", "l": "l el", "m": "m em", "n": "n en nx", "ng": "ng eng",
        "p": "p pcl", "t": "t tcl", "uw": "uw ux",
    }.items()
    for name in names.split()
}  # fmt: skip
TIMIT |= {name: name for name in PHONEMES if name not in TIMIT}
TIMIT_UNLABELLED = frozenset({"q"})
"""The glottal stop, which the usual folding leaves out."""


def number_of(phoneme: str) -> int:
    """Its index in PHONEMES."""
    return PHONEMES.index(phoneme)

"""Whether one person speaks in what is prepared as one person's: a voice learned from two is nobody's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from models.prepare.voice_data import Features, measured_frames

SCATTER = np.array(
    [0.087, 0.391, 0.259, 0.246, 0.177, 0.141, 0.137, 0.121, 0.094, 0.103, 0.091, 0.094, 0.096]
)  # fmt: skip
"""How far one person's sentences lie apart, standard deviation: the median of ln F0, and the means of MCEPs 1 to 12 of
voiced frames. Of ten speakers (seven of LibriSpeech, two of VCTK, LJ)."""
APART = 6.0
"""Two groups so many of their own deviations apart are two people's: found so in 40 of those speakers' 45 pairs, and of
sixteen sentences of one of them in 3 of 100."""
FEWEST_SENTENCES, FEWEST_OF_ONE = 10, 2
"""Of fewer, any two groups lie far apart."""
LEAST_FRAMES = 100
"""Half a second of voice: less says little of anybody."""


def another_person(sentences: Sequence[Features]) -> list[int]:
    """The numbers of the sentences that somebody else seems to say, those of the rarer; none where all are one's."""
    known, heard = [], []
    for number, sentence in enumerate(sentences):
        _, pitched = measured_frames(sentence)
        if pitched.sum() >= LEAST_FRAMES:
            timbre = sentence.mcep[pitched, 1 : len(SCATTER)].mean(0)
            known.append(number)
            heard.append(np.concatenate([[np.median(sentence.lf0[pitched])], timbre]) / SCATTER)
    if len(known) < FEWEST_SENTENCES:
        return []
    points = np.array(heard)
    group = fcluster(linkage(points, "ward"), 2, "maxclust")
    rarer = group == (1 if (group == 1).sum() < (group == 2).sum() else 2)
    if rarer.sum() < FEWEST_OF_ONE or rarer.all():
        return []
    middles = points[rarer].mean(0), points[~rarer].mean(0)
    distance = float(np.linalg.norm(middles[0] - middles[1]))
    along = (points - np.where(rarer[:, None], *middles)) @ (middles[0] - middles[1]) / distance
    own = np.sqrt((along**2).sum() / (len(points) - 2))
    return [known[place] for place in np.flatnonzero(rarer)] if distance > APART * own else []

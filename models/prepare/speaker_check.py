"""Detects a second speaker in recordings that are prepared as one speaker's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from models.prepare.voice_data import Features, measured_frames

SCATTER = np.array(
    [0.087, 0.391, 0.259, 0.246, 0.177, 0.141, 0.137, 0.121, 0.094, 0.103, 0.091, 0.094, 0.096]
)  # fmt: skip
"""Standard deviation over one speaker's sentences: the median of ln F0, and the means of MCEPs 1 to 12 of voiced
frames. Of ten speakers (seven of LibriSpeech, two of VCTK, LJ)."""
SEPARATION = 6.0
"""Two groups this many of their own deviations apart are two speakers: found so in 40 of those speakers' 45 pairs, and
in 3 of 100 sets of sixteen sentences of one of them."""
FEWEST_SENTENCES, FEWEST_OF_ONE = 10, 2
"""Among fewer, any two groups are far apart."""
LEAST_FRAMES = 100
"""Half a second of voice: fewer frames do not characterise a speaker."""


def other_speaker_sentences(sentences: Sequence[Features]) -> list[int]:
    """Indices of the sentences that seem to be another speaker's, those of the smaller group; none where all are
    one's."""
    numbers, vectors = [], []
    for number, sentence in enumerate(sentences):
        _, pitched = measured_frames(sentence)
        if pitched.sum() >= LEAST_FRAMES:
            timbre = sentence.mcep[pitched, 1 : len(SCATTER)].mean(0)
            numbers.append(number)
            vectors.append(np.concatenate([[np.median(sentence.lf0[pitched])], timbre]) / SCATTER)
    if len(numbers) < FEWEST_SENTENCES:
        return []
    points = np.array(vectors)
    group = fcluster(linkage(points, "ward"), 2, "maxclust")
    rarer = group == (1 if (group == 1).sum() < (group == 2).sum() else 2)
    if rarer.sum() < FEWEST_OF_ONE or rarer.all():
        return []
    centres = points[rarer].mean(0), points[~rarer].mean(0)
    distance = float(np.linalg.norm(centres[0] - centres[1]))
    projections = (points - np.where(rarer[:, None], *centres)) @ (centres[0] - centres[1]) / distance
    deviation = np.sqrt((projections**2).sum() / (len(points) - 2))
    return [numbers[place] for place in np.flatnonzero(rarer)] if distance > SEPARATION * deviation else []

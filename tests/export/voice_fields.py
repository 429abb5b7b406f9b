"""The manifest of a small voice of features, as plain data: 2 frames a hop, two speakers, one state."""

from __future__ import annotations

from typing import Any

from export.artifact.fields import CONVERTED_FEATURES, FEATURES, MCEPS

FRAMES = 2


def voice_fields() -> dict[str, Any]:
    """What a Manifest takes."""
    mcep = {"shape": [1, FRAMES, MCEPS], "dtype": "float32"}
    row = {"shape": [1, FRAMES], "dtype": "float32"}
    state = {"shape": [1, 3], "dtype": "float32"}
    return {
        "version": 2,
        "kind": "voice",
        "form": "features",
        "family": "statistics",
        "name": "anna",
        "subject": {"statement": "fictional"},
        "licence": "CC0-1.0",
        "reads": list(FEATURES),
        "gives": list(CONVERTED_FEATURES),
        "states": {"heard": "next_heard"},
        "inputs": {
            "mcep": mcep,
            "lf0": row,
            "voiced": row,
            "heard": state,
            "source": {"shape": [1], "dtype": "int64"},
        },
        "outputs": {"converted_mcep": mcep, "converted_lf0": row, "converted_voiced": row, "next_heard": state},
        "conditioning": {"source": ["whoever speaks", "anna", "ben"]},
        "speakers": [
            {"name": "anna", "lf0_mean": 5.3, "lf0_std": 0.2, "target": True},
            {"name": "ben", "lf0_mean": 4.8, "lf0_std": 0.2},
        ],
        "sample_rate": 16000,
        "hop": 80 * FRAMES,
        "lookahead": 80,
        "context": 0,
        "precision": "fp32",
        "training": {"data_digest": "0" * 64, "steps": 10, "samples_seen": 20, "minutes": 0.5, "revision": None},
    }

"""Hands on what the microphone hears, through `Devices`, until its standard input closes: what test_portaudio.py runs.

    python dry_devices.py MICROPHONE SPEAKER RATE BLOCK FOLDER

Keeps in FOLDER what the driver brought (heard.npy) and what was put into the loudspeaker's ring (laid.npy). Prints one
JSON line for each thing that the Devices say ([what, text, when]), and at the end one with the figures.
"""

from __future__ import annotations

import json
import select
import sys
import time
from pathlib import Path

import numpy as np

from live.frames import now
from live.sound.device import Devices
from live.sound.drift import Feed
from live.sound.priority import run_first


def main(mic: str, speaker: str, rate: str, block: str, folder: str) -> None:
    said: list[str] = []

    def say(what: str, text: str) -> None:
        said.append(what)
        print(json.dumps([what, text, now()]), flush=True)

    run_first()  # as the engine does
    devices = Devices(mic, speaker, int(rate), int(block), say)
    asleep_s = still_s = heard_while_lost_s = peak_while_lost = 0.0
    in_hand: list[float] = []
    heard: list[np.ndarray] = []
    laid: list[np.ndarray] = []
    lay = Feed.process

    def lay_and_keep(feed: Feed, samples: np.ndarray, excess_s: float) -> np.ndarray:
        laid.append(lay(feed, samples, excess_s))
        return laid[-1]

    Feed.process = lay_and_keep  # type: ignore[method-assign]
    awake_at, heard_at = now(), None
    while not select.select([sys.stdin], [], [], 0)[0]:
        taken = devices.read()
        at = now()
        asleep_s, awake_at = max(asleep_s, at - awake_at) if said else 0.0, at
        if taken is None:
            time.sleep(min(max(devices.due_in_s(), 0.001), 0.003))
            continue
        if heard_at is not None:
            still_s = max(still_s, at - heard_at)
        heard_at = at
        if "lost" in said and said[-1] == "lost":
            heard_while_lost_s += len(taken[0]) / int(rate)
            peak_while_lost = max(peak_while_lost, float(np.abs(taken[0]).max()))
        heard.append(taken[0][:, 0])
        in_hand.append(devices.in_hand_s())
        devices.write(taken[0])
    figures = {
        "mic_latency_s": devices.mic_latency_s,
        "speaker_latency_s": devices.speaker_latency_s,
        "xruns": devices.mic_xruns + devices.speaker_xruns,
        "driver_xruns": devices.driver_xruns,
        "drift_ppm": devices.drift_ppm,
        "in_hand_s": devices.in_hand_s(),
        "least_in_hand_s": min(in_hand[20:], default=0.0),
        "asleep_s": asleep_s,
        "still_s": still_s,
        "heard_while_lost_s": heard_while_lost_s,
        "peak_while_lost": peak_while_lost,
    }
    devices.close()
    for name, blocks in (("heard", heard), ("laid", laid)):
        np.save(Path(folder) / f"{name}.npy", np.concatenate([np.zeros(1, np.float32), *blocks]))
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Passes microphone blocks to the loudspeaker, through `Devices`, until its standard input closes: test_portaudio.py
runs it as a process.

    python dry_devices.py MICROPHONE SPEAKER RATE BLOCK FOLDER

Saves in FOLDER what the driver delivered (heard.npy) and what was written to the loudspeaker's ring (laid.npy). Prints
a JSON line for each status of the Devices ([status, text, when]), and at the end one with the metrics.
"""

from __future__ import annotations

import json
import select
import sys
import time
from pathlib import Path

import numpy as np

from live.process.frames import now
from live.sound.devices.devices import Devices
from live.sound.drift import Feed
from live.sound.priority import prepare_process, raise_priority


def main(mic: str, speaker: str, rate: str, block: str, folder: str) -> None:
    statuses: list[str] = []

    def on_status(status: str, text: str) -> None:
        statuses.append(status)
        print(json.dumps([status, text, now()]), flush=True)

    prepare_process()
    raise_priority()  # as the engine does
    devices = Devices(mic, speaker, int(rate), int(block), on_status)
    rings = devices.rings
    asleep_s = still_s = heard_while_lost_s = peak_while_lost = 0.0
    buffered: list[float] = []
    captured: list[np.ndarray] = []
    queued: list[np.ndarray] = []
    process = Feed.process

    def process_and_keep(feed: Feed, samples: np.ndarray, excess_s: float) -> np.ndarray:
        queued.append(process(feed, samples, excess_s))
        return queued[-1]

    Feed.process = process_and_keep  # type: ignore[method-assign]
    loop_at, block_at = now(), None
    while not select.select([sys.stdin], [], [], 0)[0]:
        taken = rings.read()
        at = now()
        asleep_s, loop_at = max(asleep_s, at - loop_at) if statuses else 0.0, at
        if taken is None:
            time.sleep(min(max(rings.due_in_s(), 0.001), 0.003))
            continue
        if block_at is not None:
            still_s = max(still_s, at - block_at)
        block_at = at
        if "lost" in statuses and statuses[-1] == "lost":
            heard_while_lost_s += len(taken[0]) / int(rate)
            peak_while_lost = max(peak_while_lost, float(np.abs(taken[0]).max()))
        captured.append(taken[0][:, 0])
        buffered.append(rings.buffered_s())
        rings.write(taken[0])
    metrics = {
        "mic_latency_s": rings.mic_latency_s,
        "speaker_latency_s": rings.speaker_latency_s,
        "xruns": rings.mic_xruns + rings.speaker_xruns,
        "driver_xruns": sum({end.stream: end.stream.xruns for end in rings.ends().values()}.values()),
        "drift_ppm": rings.drift_ppm,
        "in_hand_s": rings.buffered_s(),
        "least_in_hand_s": min(buffered[20:], default=0.0),
        "asleep_s": asleep_s,
        "still_s": still_s,
        "heard_while_lost_s": heard_while_lost_s,
        "peak_while_lost": peak_while_lost,
    }
    devices.close()
    for name, blocks in (("heard", captured), ("laid", queued)):
        np.save(Path(folder) / f"{name}.npy", np.concatenate([np.zeros(1, np.float32), *blocks]))
    print(json.dumps(metrics), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

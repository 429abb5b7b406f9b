"""What the sound engine measures of itself: for the screen, and for the report. A figure is None where nothing was
measured.

Belongs to the engine's loop.
"""

from __future__ import annotations

from collections.abc import Callable

from live.process.metrics import SoundMetrics
from live.process.percentiles import Durations
from live.process.report import EngineReport
from live.sound.audio_io import AudioInput, AudioOutput
from live.sound.channel_strip import ChannelStrip
from live.sound.miss_counter import MissCounter
from live.sound.null_devices import NullMicrophone
from live.sound.settings import SoundSettings


class SoundFigures:
    """Counts blocks and computing time; reads the rest from the parts that have it."""

    def __init__(
        self,
        settings: SoundSettings,
        microphone: AudioInput,
        speaker: AudioOutput,
        strip: ChannelStrip,
        misses: MissCounter,
        voice_latency_samples: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._microphone, self._speaker = microphone, speaker
        self._strip, self._misses = strip, misses
        self._voice_latency_samples = voice_latency_samples
        self.blocks = 0
        self._compute = Durations()
        self._computed_s = 0.0

    def add_computed(self, compute_s: float) -> None:
        """The voice has taken so long for a block."""
        self._compute.add(compute_s)
        self._computed_s += compute_s

    @property
    def has_microphone(self) -> bool:
        return not isinstance(self._microphone, NullMicrophone)

    @property
    def latency_ms(self) -> float | None:
        """From a sample in the air to the same sample heard, without the delay for the picture; None without a
        microphone."""
        return round(sum(self.latency_parts_ms().values()), 2) if self.has_microphone else None

    def latency_parts_ms(self) -> dict[str, float]:
        """What the latency consists of, ms."""
        settings = self._settings
        return {
            "block": 1e3 * settings.block_s,
            "voice": self._ms(self._voice_latency_samples()),
            "limiter": self._ms(self._strip.latency_samples),
            "microphone": 1e3 * self._microphone.latency_s,
            "speaker": 1e3 * self._speaker.latency_s,
        }

    def transit_s(self) -> float:
        """From a block's first sample in the air until the output block of the same number is heard; the latencies of
        voice and strip shift the sound within the blocks and are not included."""
        return self._settings.block_s + self._microphone.latency_s + self._speaker.latency_s

    def metrics(self, voice: str | None, priority: str) -> SoundMetrics:
        """For the screen.

        Args:
            voice: the key of the one that performs.
            priority: the process's scheduling priority.
        """
        strip = self._strip
        limited, strip.limited = strip.limited, 1.0
        heard = self.blocks > 0
        return SoundMetrics(
            microphone=self._microphone.name,
            speaker=self._speaker.name,
            voice=voice,
            latency_ms=self.latency_ms,
            latency_parts_ms=self.latency_parts_ms(),
            drift_ppm=self._speaker.drift_ppm,
            blocks=self.blocks,
            xruns=self._xruns(),
            deadline_misses=self._total_misses(),
            rtf=self._rtf(),
            in_peak=strip.input_meter.peak if heard else None,
            in_rms=strip.input_meter.rms if heard else None,
            out_peak=strip.output_meter.peak if heard else None,
            out_rms=strip.output_meter.rms if heard else None,
            limited=limited,
            bad_samples=strip.bad_samples,
            mute=strip.mute,
            panic=strip.panic,
            priority=priority,
        )

    def report(self) -> EngineReport:
        """The "audio" part of the report."""
        return {
            "audio": {
                "sample_rate": self._settings.sample_rate,
                "block": self._settings.block,
                "latency": self.latency_ms,
                "rtf": self._rtf(),
                "xruns": self._xruns(),
                "deadline_misses": self._total_misses(),
                "compute": self._compute.whole(),
                "drift_ppm": self._speaker.drift_ppm,
                "blocks": self.blocks,
            }
        }

    def _ms(self, samples: int) -> float:
        return 1e3 * samples / self._settings.sample_rate

    def _xruns(self) -> int | None:
        return self._microphone.xruns + self._speaker.xruns if self.has_microphone else None

    def _total_misses(self) -> int | None:
        return self._misses.total + self._microphone.missed if self.has_microphone else None

    def _rtf(self) -> float | None:
        """Real-time factor: computing time over the duration of the sound."""
        sound_s = self.blocks * self._settings.block_s
        return round(self._computed_s / sound_s, 4) if sound_s else None

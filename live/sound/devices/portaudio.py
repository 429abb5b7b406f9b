"""Loads PortAudio, finds devices by name, and probes them with a PortAudio that is initialised afresh.

The functions that wait belong to the thread that opens devices, never to the engine's loop. `python -m
live.sound.devices.portaudio KIND NAME` is the process that probes.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from live.process.error_text import error_text
from live.process.frames import now
from live.sound.devices.rtmixer_types import DeviceInfo, HostApi, Kind, RtMixerModule, SoundDeviceModule
from live.sound.priority import reset_priority

_PROBE_S = 10.0
_HOST_APIS = {
    *("alsa", "oss", "jack", "pulseaudio", "core audio", "coreaudio", "sndio"),
    *("mme", "directsound", "windows directsound", "wasapi", "windows wasapi", "wdm-ks", "windows wdm-ks", "asio"),
}
_NOUNS: dict[Kind, str] = {"input": "microphone", "output": "loudspeaker"}


class NoPortAudio(Exception):
    """The library is not there; the message says what to install."""


class NoDevice(Exception):
    """A device is not available now; the message says why and what to do."""


def load_portaudio() -> tuple[SoundDeviceModule, RtMixerModule]:
    """sounddevice and rtmixer. Importing them initialises PortAudio, so they are imported here and never in the fork
    server.

    Raises:
        NoPortAudio: the library or a package is missing.
    """
    try:
        import rtmixer
        import sounddevice
    except (OSError, ImportError) as error:
        raise NoPortAudio(
            "no PortAudio library, so no live sound; install it (Debian and Ubuntu: apt install libportaudio2)"
            if isinstance(error, OSError)
            else f"no live sound: {error}"
        ) from None
    return sounddevice, rtmixer


def has_host_api(name: str) -> bool:
    """Whether this is "HOSTAPI/NAME", and not a path."""
    return name.partition("/")[0].lower() in _HOST_APIS and "/" in name and not Path(name).exists()


def find_device(sounddevice: SoundDeviceModule, name: str, kind: Kind) -> DeviceInfo:
    """The device of this name as PortAudio knows it now.

    Args:
        name: an index, a name, a part of one, `default`, or one of the last three after a host API and a "/".

    Raises:
        NoDevice: the message lists the devices there are.
    """
    hosts = sounddevice.query_hostapis()
    usable = [device for device in sounddevice.query_devices() if _channels(device, kind) > 0]
    host, _, rest = name.partition("/")
    chosen = [index for index, api in enumerate(hosts) if has_host_api(name) and host.lower() in api["name"].lower()]
    if chosen:
        listed = [device for device in usable if device["hostapi"] in chosen]
        defaults = [_default(hosts[index], kind) for index in chosen]
    else:
        listed, rest = usable, name
        defaults = [sounddevice.default.device[kind == "output"]]
    if rest == "default":
        found = [device for device in listed if device["index"] in defaults]
    elif rest.isdigit():
        found = [device for device in listed if device["index"] == int(rest)]
    else:
        found = [device for device in listed if device["name"] == rest]
        found = found or [device for device in listed if rest.lower() in device["name"].lower()]
    if found:
        return found[0]
    if not usable:
        raise NoDevice(f"there is no {_NOUNS[kind]} on this machine; connect one")
    names = ", ".join(f"{hosts[device['hostapi']]['name']}/{device['name']}" for device in usable)
    raise NoDevice(f'no {_NOUNS[kind]} "{name}"; there are: {names}')


def _channels(device: DeviceInfo, kind: Kind) -> int:
    return device["max_input_channels"] if kind == "input" else device["max_output_channels"]


def _default(host: HostApi, kind: Kind) -> int:
    return host["default_input_device"] if kind == "input" else host["default_output_device"]


def describe(kind: Kind, name: str) -> str:
    """A device that was asked for, for the operator."""
    return f'{_NOUNS[kind]} "{name}"'


def explain(error: Exception) -> str:
    """PortAudio's error as a line for the operator, with what to do where that is known."""
    text = error_text(error)
    for words, meant in (
        ("unavailable", "another program holds it; close that, or choose another device"),
        ("sample rate", "it takes neither the show's sample rate nor its own; set it to 48000 Hz"),
        ("channels", "it has no such channels; choose another device"),
    ):
        if words in text.lower():
            return f"{meant} ({text})"
    return text


def probe_in_subprocess(name: str, kind: Kind, closing: threading.Event) -> str:
    """Whether a PortAudio initialised now could open the device: "" or why not. That of this process knows only the
    devices that were there when it was initialised. Waits, up to _PROBE_S."""
    try:
        probe = subprocess.Popen(
            [sys.executable, "-m", "live.sound.devices.portaudio", kind, name],
            cwd=Path(__file__).resolve().parents[3],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError as error:
        return error_text(error)
    reset_priority(probe.pid)
    until = now() + _PROBE_S
    while probe.poll() is None and now() < until and not closing.wait(0.05):
        pass
    probe.kill()
    lines = probe.communicate()[0].strip().splitlines()
    return "" if probe.returncode == 0 else lines[-1] if lines else f"looking for {name} failed"


def _probe(kind: Kind, name: str) -> str:
    """The answer for `probe_in_subprocess`, in that process."""
    try:
        sounddevice, _ = load_portaudio()
        device = find_device(sounddevice, name, kind)
        check = sounddevice.check_input_settings if kind == "input" else sounddevice.check_output_settings
        check(device=device["index"])
    except Exception as error:  # any error means that the device cannot be opened
        return explain(error)
    return ""


if __name__ == "__main__":
    if answer := _probe("input" if sys.argv[1] == "input" else "output", sys.argv[2]):
        print(answer)
        raise SystemExit(1)

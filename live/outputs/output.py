"""The protocol of an output: something that takes the show's pictures and sound out of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from live.manage.stage_manager import StageManager
    from live.process.messages import AudioChunk
    from live.process.shared_frames import SharedPicture


class BadOutput(Exception):
    """An output cannot be opened as asked for; the message is one line."""


@runtime_checkable
class Output(Protocol):
    """What an output implements. It lives in the operator's process and is opened by registry.open_output.

    Errors after it was opened become notes of the StageManager; the show goes on.
    """

    def __init__(self, target: str | None, manager: StageManager, sample_rate: int | None) -> None:
        """Opens the output and subscribes it to the StageManager's pictures and sound.

        `target` says where to, in the output's own terms (a file, a device, an address). `sample_rate` is the sound
        engine's; None: there is no microphone. Raises BadOutput when the target is missing or cannot be used.
        """

    def put_picture(self, picture: SharedPicture) -> None:
        """Takes a picture the audience sees, in the audience's thread. Must not wait."""

    def put_audio(self, chunk: AudioChunk) -> None:
        """Takes sound the loudspeaker plays, in the StageManager's thread and under its lock. Must not wait."""

    def close(self) -> None:
        """Unsubscribes and ends the output. Called once, in the thread that opened it; may wait."""

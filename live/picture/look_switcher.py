"""Which look is on stage, which one is fading out, and which one has been requested.

Runs on the picture engine's loop. Looks load in the slot's thread and are closed in a thread of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from live.picture.look import BypassLook, Look, SafeLook
from live.picture.transition import Blender, Transition
from live.process.error_text import error_text
from live.process.messages import Event, Go, Note, Ready
from live.process.slot import LOAD_LIMIT_S, Slot
from models.features.types import Picture

PERMANENT_KEYS = ("bypass", "safe")
RETRY_LOOK_S = 1.0
"""A look that failed is not tried again for this long."""
GIVE_UP_S = 60.0
"""A look that took too long twice within this time is not tried again until its next Go."""


@dataclass(slots=True, eq=False)
class LoadedLook:
    """A loaded look with its blending buffer, its last picture, and the time at which it failed, if it did."""

    look: Look
    blender: Blender = field(default_factory=Blender)
    last_picture: Picture | None = None
    failed_at: float | None = None
    may_show_frame: bool = False
    """Whether the Go that it performs for allows what the camera sees round the face."""
    _overran_at: float | None = None
    _given_up: bool = False

    def enter(self, go: Go) -> None:
        """It performs for this Go from now on."""
        self.may_show_frame = go.frame
        if self.look.shows_frame and not go.frame:
            self.last_picture = None
        self._overran_at, self._given_up = None, False

    def fail(self, t_s: float, *, too_long: bool) -> None:
        """It failed; its last picture is no longer shown."""
        self.failed_at, self.last_picture = t_s, None
        if too_long:
            self._given_up = self._overran_at is not None and t_s - self._overran_at < GIVE_UP_S
            self._overran_at = t_s

    def may_try(self, t_s: float) -> bool:
        """Whether it may perform in this frame: a look that failed waits."""
        return not self._given_up and (self.failed_at is None or t_s - self.failed_at >= RETRY_LOOK_S)


@dataclass(frozen=True, slots=True)
class Entered:
    """A Go whose look is now on stage, and when it was requested."""

    go: Go
    requested_at: float


class LookSwitcher:
    """The loaded looks. `bypass` and `safe` are always loaded, and `safe` is on stage at first. Close it, else its
    thread stays."""

    def __init__(
        self,
        load: Callable[[str], Look],
        safe: SafeLook,
        send: Callable[[Event], None],
        load_limit_s: float = LOAD_LIMIT_S,
    ) -> None:
        """`load` runs in the slot's thread; `send` takes Ready, Refused and Note, in any thread."""
        self._slot: Slot[LoadedLook] = Slot(
            lambda key: LoadedLook(load(key)), "look", close=_close, load_limit_s=load_limit_s
        )
        self._send = send
        self._requested: Entered | None = None
        self._forgotten: list[LoadedLook] = []
        self._has_switched = False
        self.transition: Transition[LoadedLook] = Transition()
        self._slot.put("bypass", LoadedLook(BypassLook()))
        self._slot.put("safe", LoadedLook(safe))
        self._slot.go("safe")

    @property
    def current(self) -> LoadedLook:
        """The look on stage."""
        loaded = self._slot.current
        assert loaded is not None  # `safe` is on stage from the start
        return loaded

    @property
    def current_key(self) -> str | None:
        return self._slot.current_key

    @property
    def loaded_keys(self) -> list[str]:
        return self._slot.loaded

    @property
    def requested_key(self) -> str | None:
        """The look that a Go requested and that is not on stage yet."""
        return None if self._requested is None else self._requested.go.model

    def prepare(self, key: str) -> None:
        self._slot.prepare(key)

    def request(self, go: Go, requested_at: float) -> None:
        """Puts the Go's look on stage as soon as it is loaded; `update` returns it then. The newest Go counts.

        Until then the old look plays on, but for `bypass`: nothing may keep the raw face on stage beyond its cue.
        """
        self._requested = Entered(go, requested_at)
        if not self._slot.is_ready(go.model):
            self._slot.prepare(go.model)
            self._end_bypass()

    def replace_safe(self, safe: SafeLook) -> None:
        """Replaces the safe look at once."""
        self._slot.put("safe", LoadedLook(safe))
        if self._slot.current_key == "safe":
            self._slot.go("safe")

    def update(self, t_s: float) -> Entered | None:
        """Reports what the loader has finished. Returns the requested Go when its look has entered with this call, else
        None."""
        for result in self._slot.answers():
            self._send(result)
            if isinstance(result, Ready):
                loaded = self._slot.model(result.model)
                if loaded is not None and loaded.look.fallback:
                    self._send(Note(f"{Path(result.model).name}: {loaded.look.fallback}"))
            elif result.model == self.requested_key:
                self._requested = None
        requested = self._requested
        if requested is None or not self._slot.is_ready(requested.go.model):
            return None
        self._requested = None
        old = self.current
        self._slot.go(requested.go.model)
        self.current.enter(requested.go)
        if self.current is not old:
            first = not self._has_switched and old.look.key == "safe"  # nothing has been on stage yet: no dissolve
            self.transition.begin(None if first else old, requested.go.transition_s, t_s)
        self._has_switched = True
        return requested

    def forget(self, key: str) -> None:
        """Unloads a look; the one on stage stays, and so does the one that is to enter."""
        if key in (self._slot.current_key, self.requested_key, *PERMANENT_KEYS):
            return
        loaded = self._slot.model(key)
        self._slot.forget(key)
        if loaded is not None:
            self._forgotten.append(loaded)

    def close_forgotten(self) -> None:
        """Closes forgotten looks that no dissolve uses any more, in another thread: freeing memory takes time."""
        if not self._forgotten:
            return
        on_stage = (self.current, self.transition.old)
        closable = [loaded for loaded in self._forgotten if loaded not in on_stage]
        if closable:
            self._forgotten = [loaded for loaded in self._forgotten if loaded in on_stage]
            Thread(target=self._close_all, args=(closable,), name="close looks", daemon=True).start()

    def close(self) -> None:
        self._slot.close()

    def _end_bypass(self) -> None:
        """Cuts to the safe picture where the raw face is on stage."""
        if self._slot.current_key == "bypass":
            self._slot.go("safe")
            self.transition.begin(None, 0.0, 0.0)

    def _close_all(self, looks: list[LoadedLook]) -> None:
        while looks:
            loaded = looks.pop()
            try:
                _close(loaded)
            except Exception as error:
                self._send(Note(f"{Path(loaded.look.key).name} could not be unloaded: {error_text(error)}"))


def _close(loaded: LoadedLook) -> None:
    loaded.look.close()

"""The acts: looks with what each needs on stage. Which one performs, which one is going, and which is waited for.

Belongs to the picture engine's loop; loading is the slot's thread's, taking down a thread's of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from live.picture.look import BypassLook, Look, SafeLook
from live.picture.transition import Blender, Transition
from live.process.messages import Event, Go, Note, Ready
from live.process.slot import Slot
from models.features.types import Picture

ALWAYS = ("bypass", "safe")


@dataclass(slots=True, eq=False)
class LoadedLook:
    """A look with its own blending buffer, what it showed last, and when it failed."""

    look: Look
    blender: Blender = field(default_factory=Blender)
    shown: Picture | None = None
    failed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    """A Go whose look performs from now on, and when it was asked for."""

    go: Go
    asked_at: float


class LookSwitcher:
    """`bypass` and `safe` are there from the beginning, and `safe` performs. Close it, else its thread stays."""

    def __init__(self, load: Callable[[str], Look], safe: SafeLook, send: Callable[[Event], None]) -> None:
        """`load` runs in the slot's thread; `send` takes Ready, Refused and Note."""
        self._slot: Slot[LoadedLook] = Slot(lambda key: LoadedLook(load(key)), name="look")
        self._send = send
        self._waiting: Entered | None = None
        self._leaving: list[LoadedLook] = []
        self._any_cue = False
        self.transition: Transition[LoadedLook] = Transition()
        self._slot.put("bypass", LoadedLook(BypassLook()))
        self._slot.put("safe", LoadedLook(safe))
        self._slot.go("safe")

    @property
    def current(self) -> LoadedLook:
        """The one that performs."""
        act = self._slot.current
        assert act is not None  # `safe` at least, from the beginning
        return act

    @property
    def current_key(self) -> str | None:
        return self._slot.current_key

    @property
    def loaded(self) -> list[str]:
        return self._slot.loaded

    @property
    def waited_for(self) -> str | None:
        """The look that a Go asked for and that is not on stage yet."""
        return None if self._waiting is None else self._waiting.go.model

    def prepare(self, key: str) -> None:
        self._slot.prepare(key)

    def ask(self, go: Go, asked_at: float) -> None:
        """Have its look on stage as soon as it is loaded; `update` says when. The newest Go counts."""
        self._waiting = Entered(go, asked_at)
        if not self._slot.is_ready(go.model):
            self._slot.prepare(go.model)

    def replace_safe(self, safe: SafeLook) -> None:
        """Another safe picture, at once."""
        self._slot.put("safe", LoadedLook(safe))
        if self._slot.current_key == "safe":
            self._slot.go("safe")

    def update(self, t_s: float) -> Entered | None:
        """Tells what the loader has finished. A look that was waited for and is there goes on stage: its Go."""
        for news in self._slot.answers():
            self._send(news)
            if isinstance(news, Ready):
                act = self._slot.model(news.model)
                if act is not None and act.look.fallback:
                    self._send(Note(f"{Path(news.model).name}: {act.look.fallback}"))
            elif news.model == self.waited_for:
                self._waiting = None
        waiting = self._waiting
        if waiting is None or not self._slot.is_ready(waiting.go.model):
            return None
        self._waiting = None
        old = self.current
        self._slot.go(waiting.go.model)
        if self.current is not old:
            first = not self._any_cue and old.look.key == "safe"  # nothing has performed yet: no dissolve
            self.transition.begin(None if first else old, waiting.go.transition_s, t_s)
        self._any_cue = True
        return waiting

    def forget(self, key: str) -> None:
        """Give a look's memory back; the one that performs stays."""
        if key == self._slot.current_key or key in ALWAYS:
            return
        act = self._slot.model(key)
        self._slot.forget(key)
        if act is not None:
            self._leaving.append(act)

    def let_go(self) -> None:
        """Takes down what was forgotten and is not in a dissolve any more, off the loop: freeing takes its time."""
        if not self._leaving:
            return
        on_stage = (self.current, self.transition.old)
        going = [act for act in self._leaving if act not in on_stage]
        if going:
            self._leaving = [act for act in self._leaving if act in on_stage]
            Thread(target=_close_all, args=(going,), name="look leaving", daemon=True).start()

    def close(self) -> None:
        self._slot.close()


def _close_all(acts: list[LoadedLook]) -> None:
    while acts:
        acts.pop().look.close()

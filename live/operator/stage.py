"""The stage as the operator's window knows it: asks the stage window's process for what the operator wants, and keeps
what it answers. Qt thread.

Its timer is the operator's sign of life: a Qt thread that hangs, and a lock that is held, are silence, and the audience
sees the safe picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from PyQt5.QtCore import QObject, QPoint, QSize, QSocketNotifier, QTimer, pyqtSignal

from live.stage_window.messages import (
    BecomeWindow,
    Drawn,
    FillScreen,
    KeyPressed,
    Placed,
    Present,
    ShowSafe,
    StageCommand,
    StageMessage,
    StageNotice,
    Staleness,
    TakenOver,
    UseSafePicture,
)
from live.stage_window.presentation import Presentation
from live.stage_window.signs_of_life import SIGN_EVERY_S
from live.stage_window.window import WINDOW_SIZE


class StageProcessLike(Protocol):
    """What the stage asks of the window's process; StageWindowProcess has it."""

    taken_over: bool
    found_on_screen: str | None
    lost: bool
    trouble: str | None

    def fileno(self) -> int: ...
    def send(self, command: StageCommand) -> None: ...
    def events(self) -> list[StageMessage]: ...
    def tick(self) -> None: ...
    def stop(self) -> None: ...


class Stage(QObject):
    """One for each stage window."""

    notice = pyqtSignal(str)
    """A sentence for the operator."""
    trouble_changed = pyqtSignal(str)
    """What is wrong with the window's process; empty when nothing is any more."""
    taken_away = pyqtSignal()
    """Another Guise has taken the window over: this one has none any more."""
    unplugged_changed = pyqtSignal(bool)
    """True when the stage's screen was unplugged, False when the stage is back on it."""
    staleness_changed = pyqtSignal(bool)
    placed = pyqtSignal()
    """The window is elsewhere, or of another size."""
    key_pressed = pyqtSignal(int, int)
    """A key and its modifiers, by Qt's numbers, pressed while the stage window had the focus."""

    def __init__(self, process: StageProcessLike, on_drawn: Callable[[Sequence[float]], None]) -> None:
        """on_drawn: called with the times in s from capture to drawn of newly made pictures."""
        super().__init__()
        self._process = process
        self._on_drawn = on_drawn
        self._presentation = Presentation()
        self._panic = False
        self._stale = True
        self._on_screen = process.found_on_screen
        self._place = Placed(self._on_screen, False, False, False, WINDOW_SIZE.width(), WINDOW_SIZE.height())
        self._trouble: str | None = None
        self._notifier: QSocketNotifier | None = None
        self._watched_fd = -1
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self._timer.start(round(SIGN_EVERY_S * 1000))
        # The first sign with the loop's first step: the windows may take longer to build than the audience should see
        # pictures without an operator.
        QTimer.singleShot(0, self._tick)

    # -- what is shown ------------------------------------------------------------------------------------------

    @property
    def stale(self) -> bool:
        """No pictures come: the audience sees the safe picture."""
        return self._stale

    @property
    def presentation(self) -> Presentation:
        """Mirror, rotation, fit."""
        return self._presentation

    def set_presentation(self, presentation: Presentation) -> None:
        """Sets mirror, rotation and fit, at once."""
        self._presentation = presentation
        self._process.send(Present(presentation.mirror, presentation.rotation, presentation.fit.value))

    def set_safe_picture(self, path: Path | None) -> None:
        """Sets the picture to show in a panic and without pictures; None is black."""
        self._process.send(UseSafePicture(None if path is None else str(path.absolute())))

    def set_panic(self, on: bool) -> None:
        """Shows the safe picture while `on`; no engine is asked."""
        if on != self._panic:
            self._panic = on
            self._process.send(ShowSafe(on))

    # -- where it is shown --------------------------------------------------------------------------------------

    @property
    def on_screen(self) -> str | None:
        """The name of the screen it fills or waits for; None for an ordinary window."""
        return self._on_screen

    @property
    def unplugged(self) -> bool:
        """Its screen is unplugged, and it is hidden until the screen returns."""
        return self._place.unplugged

    @property
    def lost(self) -> bool:
        """Another operator's process has taken the window over."""
        return self._process.lost

    @property
    def full_screen(self) -> bool:
        return self._place.full_screen

    @property
    def visible(self) -> bool:
        return self._place.visible

    @property
    def size(self) -> QSize:
        return QSize(self._place.width, self._place.height)

    @property
    def taken_over(self) -> bool:
        """The window was there before, left alone by another operator's process, and is where that one had it."""
        return self._process.taken_over

    def show_as_window(self, corner: QPoint | None = None) -> None:
        """Becomes an ordinary window, for machines with one screen; it does not take the focus."""
        self._on_screen = None
        self._process.send(BecomeWindow() if corner is None else BecomeWindow(corner.x(), corner.y()))

    def fill_screen(self, screen_name: str) -> None:
        """Goes full screen on the screen of that name; hidden until there is one."""
        self._on_screen = screen_name
        self._process.send(FillScreen(screen_name))

    def close_for_good(self) -> None:
        """Closes the window and ends its process; waits for it."""
        self._timer.stop()
        self._watch(-1)
        self._process.stop()
        self._read()

    # -- the window's process -----------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._read()
        self._process.tick()
        self._tell_trouble()
        self._watch(self._process.fileno())

    def _watch(self, fd: int) -> None:
        """Has events read as soon as they arrive."""
        if fd == self._watched_fd and fd != -1:
            return
        if self._notifier is not None:
            self._notifier.setEnabled(False)
            self._notifier.deleteLater()
            self._notifier = None
        self._watched_fd = fd
        if fd != -1:
            self._notifier = QSocketNotifier(fd, QSocketNotifier.Type.Read, self)  # type: ignore[arg-type]
            self._notifier.activated.connect(self._read)

    def _read(self) -> None:
        for event in self._process.events():
            self._handle(event)
        if self._process.fileno() == -1:
            self._watch(-1)

    def _handle(self, event: StageMessage) -> None:
        if isinstance(event, Drawn):
            self._on_drawn(event.latencies_s)
        elif isinstance(event, Placed):
            self._take_place(event)
        elif isinstance(event, Staleness):
            self._stale = event.stale
            self.staleness_changed.emit(event.stale)
        elif isinstance(event, StageNotice):
            self.notice.emit(event.text)
        elif isinstance(event, KeyPressed):
            self.key_pressed.emit(event.key, event.modifiers)
        elif isinstance(event, TakenOver):
            self._on_screen = None
            self._take_place(replace(self._place, on_screen=None, unplugged=False, full_screen=False, visible=False))
            self._set_stale()
            self.notice.emit("The stage window was taken over by another Guise: this one has none any more.")
            self.taken_away.emit()

    def _take_place(self, place: Placed) -> None:
        before, self._place = self._place, place
        if place.unplugged != before.unplugged:
            self.unplugged_changed.emit(place.unplugged)
        self.placed.emit()

    def _tell_trouble(self) -> None:
        trouble = self._process.trouble
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble is not None:
            self._set_stale()
        self.trouble_changed.emit(trouble or "")

    def _set_stale(self) -> None:
        if not self._stale:
            self._stale = True
            self.staleness_changed.emit(True)

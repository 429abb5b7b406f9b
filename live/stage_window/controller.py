"""Runs the stage window by the operator's commands, and without an operator. Qt thread of the window's process.

The operator's Qt thread says a few times a second that it lives. Without a sign for SILENT_S, or when the connection
ends, the window shows the safe picture, whatever pictures still come, and waits for another operator's process to take
it over (waiting.py). It goes on when a sign comes again, and ends itself after `end_after_s` without one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import QObject, QSocketNotifier, QTimer, pyqtSignal

from live.process.error_text import error_text
from live.process.frames import now
from live.process.shared_frames import FramesLayout, SharedFrames, SharedPicture
from live.process.silent_time import SilentTime
from live.stage_window.hang_watchdog import HangWatchdog
from live.stage_window.link import MessageLink
from live.stage_window.messages import (
    BecomeWindow,
    CloseStage,
    Drawn,
    FillScreen,
    KeyPressed,
    Placed,
    Present,
    ShowFrames,
    ShowSafe,
    SignOfLife,
    StageEvent,
    StageMessage,
    StageNotice,
    Staleness,
    TakenOver,
    UseSafePicture,
    Waiting,
)
from live.stage_window.presentation import ROTATIONS, Fit, Presentation
from live.stage_window.signs_of_life import SILENT_S
from live.stage_window.waiting import VERSION, WaitingPlace, display_name
from live.stage_window.window import StageWindow

_TICK_MS = 50
_DRAWN_EVERY_S = 0.25
_MAX_DRAWN = 200
_MAX_VISITOR_S = 2.0
"""How long whoever connects has to take the window over."""


class WindowController(QObject):
    """One for the process. `ended` says that the process is to end."""

    ended = pyqtSignal()

    def __init__(self, window: StageWindow, link: MessageLink, end_after_s: float, folder: Path) -> None:
        """folder: where the window waits when it is left alone."""
        super().__init__()
        self._window = window
        self._end_after_s = end_after_s
        self._folder = folder
        self._frames: SharedFrames | None = None
        self._frames_notifier: QSocketNotifier | None = None
        self._after = 0
        self._drawn: list[float] = []
        self._drawn_sent_at = now()
        self._placed: Placed | None = None
        self._place: WaitingPlace | None = None
        self._visitor: MessageLink | None = None
        self._visitor_silent = SilentTime()
        self._watchdog = HangWatchdog()
        self._connect_window()
        self._use_link(link)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self._timer.start(_TICK_MS)

    def _connect_window(self) -> None:
        window = self._window
        window.presented.connect(self._note_drawn)
        window.notice.connect(lambda text: self._send(StageNotice(text)))
        window.staleness_changed.connect(lambda stale: self._send(Staleness(stale)))
        window.key_pressed.connect(lambda key, modifiers: self._send(KeyPressed(key, modifiers)))

    def close(self) -> None:
        """Ends what runs, and tells the operator what is still to be told."""
        self._timer.stop()
        self._watchdog.stop()
        self._send_drawn()
        self._stop_waiting()
        self._drop_frames()
        self._notifier.setEnabled(False)
        self._link.close()

    # ---- the operator's process

    def _use_link(self, link: MessageLink) -> None:
        self._link = link
        self._silent = SilentTime()
        self._signed = False
        self._judge()
        self._notifier = _notifier(link.fileno(), self._read)
        self._window.forget_picture()

    @property
    def _attended(self) -> bool:
        return self._signed and not self._link.closed and self._silent.seconds <= SILENT_S

    def _judge(self) -> None:
        self._window.set_unattended(not self._attended)

    def _read(self) -> None:
        self._handle(self._link.receive())
        if self._link.closed:
            self._notifier.setEnabled(False)
            self._judge()

    def _handle(self, messages: list[StageMessage]) -> None:
        for message in messages:
            self._obey(message)
        if messages:
            self._report()

    def _obey(self, command: StageMessage) -> None:
        window = self._window
        match command:
            case SignOfLife():
                self._hear()
            case ShowFrames(name, slot_bytes, slots):
                self._show_frames(FramesLayout(name, slot_bytes, slots))
            case ShowSafe(on):
                window.set_panic(on)
            case UseSafePicture(path):
                window.set_safe_picture(None if path is None else Path(path))
            case Present(mirror, rotation, fit) if rotation in ROTATIONS and fit in list(Fit):
                window.set_presentation(Presentation(mirror, rotation, Fit(fit)))
            case FillScreen(name):
                window.fill_screen(name)
            case BecomeWindow():
                self._become_window(command)
            case CloseStage():
                self.ended.emit()

    def _hear(self) -> None:
        if not self._signed:
            self._try_to_wait()
        self._signed = True
        self._silent.reset()
        self._judge()

    def _become_window(self, command: BecomeWindow) -> None:
        if command.x is not None and command.y is not None:
            self._window.move(command.x, command.y)
        self._window.show_as_window()

    def _send(self, event: StageEvent) -> None:
        self._link.send(event)

    def _report(self) -> None:
        window = self._window
        placed = Placed(
            window.on_screen,
            window.unplugged,
            window.isFullScreen(),
            window.isVisible(),
            window.width(),
            window.height(),
        )
        if placed != self._placed:
            self._placed = placed
            self._send(placed)

    # ---- pictures

    def _show_frames(self, layout: FramesLayout) -> None:
        wake_fd = self._link.take_fd()
        if wake_fd is None:
            return
        self._drop_frames()
        try:
            self._frames = SharedFrames.read_from(layout, wake_fd)
        except (OSError, ValueError) as error:
            self._send(StageNotice(f"The stage window finds no pictures: {error}"))
            return
        self._after = self._frames.newest_sequence  # what is older than this window may be very old
        self._frames_notifier = _notifier(self._frames.wake_fd(0), self._show_newest)

    def _drop_frames(self) -> None:
        if self._frames_notifier is not None:
            self._frames_notifier.setEnabled(False)
        if self._frames is not None:
            self._frames.close()
        self._frames = self._frames_notifier = None

    def _show_newest(self) -> None:
        frames = self._frames
        if frames is None:
            return
        if not frames.wait(0.0) and frames.writers_gone and self._frames_notifier is not None:
            self._frames_notifier.setEnabled(False)
        picture = frames.newest(self._after)
        if picture is not None:
            self._after = picture.sequence
            self._window.show_picture(picture)

    def _note_drawn(self, picture: SharedPicture, at: float) -> None:
        if picture.kind.is_new and len(self._drawn) < _MAX_DRAWN:
            self._drawn.append(at - picture.captured_at)

    def _send_drawn(self) -> None:
        if self._link.clear:
            self._send(Drawn(tuple(self._drawn)))
            self._drawn.clear()
            self._drawn_sent_at = now()

    # ---- time

    def _tick(self) -> None:
        self._read()
        self._silent.tick()
        self._judge()
        self._watchdog.feed()
        if self._silent.seconds > self._end_after_s:
            self.ended.emit()
            return
        self._wait_for_successor()
        self._report()
        if now() - self._drawn_sent_at >= _DRAWN_EVERY_S:
            self._send_drawn()

    # ---- being taken over

    def _try_to_wait(self) -> None:
        """While there is an operator to tell it."""
        try:
            WaitingPlace(self._folder).close()
        except OSError as error:
            text = f"Should Guise die, the next could not take the stage window over: {error_text(error)}"
            self._send(StageNotice(text))

    def _wait_for_successor(self) -> None:
        """Waits for a process to take the window over, while nobody attends to it."""
        if self._attended or not (self._signed or self._link.closed):
            self._stop_waiting()
            return
        if self._place is None:
            try:
                self._place = WaitingPlace(self._folder)
            except OSError:
                return
        if self._visitor is None:
            self._greet(self._place.accept())
        else:
            self._hear_visitor(self._visitor)

    def _greet(self, visitor: MessageLink | None) -> None:
        if visitor is not None:
            self._visitor, self._visitor_silent = visitor, SilentTime()
            visitor.send(Waiting(VERSION, display_name(), self._window.on_screen))

    def _hear_visitor(self, visitor: MessageLink) -> None:
        messages = visitor.receive()
        self._visitor_silent.tick()
        if messages and isinstance(messages[0], ShowFrames) and not visitor.closed:
            self._visitor = None
            self._stop_waiting()
            self._change_link(visitor)
            self._handle(messages)
        elif messages or visitor.closed or self._visitor_silent.seconds > _MAX_VISITOR_S:
            visitor.close()
            self._visitor = None

    def _change_link(self, link: MessageLink) -> None:
        self._notifier.setEnabled(False)
        self._send(TakenOver())
        self._link.close()
        self._drawn.clear()
        self._placed = None
        self._window.set_panic(False)
        self._use_link(link)

    def _stop_waiting(self) -> None:
        if self._visitor is not None:
            self._visitor.close()
        if self._place is not None:
            self._place.close()
        self._visitor = self._place = None


def _notifier(fd: int, call: Callable[[], None]) -> QSocketNotifier:
    notifier = QSocketNotifier(fd, QSocketNotifier.Type.Read)  # type: ignore[arg-type]
    notifier.activated.connect(call)
    return notifier

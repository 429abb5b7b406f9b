"""The stage window: what the audience sees. Qt thread of the window's process. It paints the newest picture and decides
nothing else.

It shows the safe picture by itself when pictures stop coming, whichever process failed, when the operator panics, and
when no operator attends to it, without waiting for an engine. When its screen is unplugged it hides, so that it never
jumps onto the operator's screen, and it returns with its screen. No key and no click on it takes the picture from the
audience.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import QRect, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QCloseEvent, QGuiApplication, QImage, QKeyEvent, QPainter, QPaintEvent, QRegion, QScreen
from PyQt5.QtWidgets import QWidget

from live.process.frames import now
from live.process.shared_frames import SharedPicture
from live.show.safe_picture import STALE_S
from live.stage_window.held_keys import HeldKeys
from live.stage_window.painting import paint_image, to_image
from live.stage_window.presentation import Presentation
from live.stage_window.safe_picture_reader import WindowSafePicture

_CHECK_EVERY_MS = 50
WINDOW_SIZE = QSize(640, 480)


class StageWindow(QWidget):
    """Full screen on a given screen, or an ordinary window where there is only one screen."""

    notice = pyqtSignal(str)
    """A sentence for the operator."""
    unplugged_changed = pyqtSignal(bool)
    """True when the stage's screen was unplugged, False when the stage is back on it."""
    staleness_changed = pyqtSignal(bool)
    presented = pyqtSignal(object, float)
    """Emitted after each picture was painted and handed to the screen: the SharedPicture and the time."""
    key_pressed = pyqtSignal(int, int)
    """A key and its modifiers, by Qt's numbers; a held key does not repeat."""

    def __init__(self, clock: Callable[[], float] = now) -> None:
        super().__init__(None, Qt.WindowType.Window)
        self.setWindowTitle("Guise - stage")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setMinimumSize(160, 120)
        self.resize(WINDOW_SIZE)
        self._clock = clock
        self._presentation = Presentation()
        self._picture: SharedPicture | None = None
        self._image: QImage | None = None
        self._painted: SharedPicture | None = None
        self._received_at = -1e9
        self._stale = True
        self._panic = False
        self._unattended = False
        self._safe = WindowSafePicture()
        self._safe.ready.connect(self._take_safe_picture)
        self._safe_image: QImage | None = None
        self._screen_name: str | None = None
        self._unplugged = False
        self._may_close = False
        self._held_keys = HeldKeys()
        self._staleness_timer = QTimer(self)
        self._staleness_timer.setInterval(_CHECK_EVERY_MS)
        self._staleness_timer.timeout.connect(self._check_staleness)
        self._staleness_timer.start()
        application = QGuiApplication.instance()
        assert isinstance(application, QGuiApplication)
        application.screenRemoved.connect(self._screen_removed)
        application.screenAdded.connect(self._screen_added)

    # -- what is shown ------------------------------------------------------------------------------------------

    @property
    def stale(self) -> bool:
        """No picture came for STALE_S: the audience sees the safe picture."""
        return self._stale

    @property
    def presentation(self) -> Presentation:
        """Mirror, rotation, fit."""
        return self._presentation

    def show_picture(self, picture: SharedPicture) -> None:
        """Paints the picture now, and emits `presented` once it was handed to the screen."""
        self._picture = picture
        self._received_at = self._clock()
        if self._stale:
            self._stale = False
            self.staleness_changed.emit(False)
        if self._panic or self._unattended or not self.isVisible():
            return
        self.repaint()
        self.presented.emit(picture, self._clock())

    def forget_picture(self) -> None:
        """Shows the safe picture until the next picture comes."""
        self._received_at = -1e9
        self._check_staleness()

    def set_presentation(self, presentation: Presentation) -> None:
        """Sets mirror, rotation and fit, at once."""
        self._presentation = presentation
        self._painted = self._safe_image = None
        self.update()

    def set_safe_picture(self, path: Path | None) -> None:
        """Sets the picture to show in a panic and without pictures, as soon as it is read; None is black."""
        self._safe.read(path)

    def _take_safe_picture(self, path: Path | None) -> None:
        self._safe_image = None
        if path is not None and self._safe.picture is None:
            self.notice.emit(f"The safe picture {path.name} cannot be read: black is shown instead.")
        self.update()

    def set_panic(self, on: bool) -> None:
        """Shows the safe picture while `on`; no engine is asked."""
        if on != self._panic:
            self._panic = on
            self.update()

    def set_unattended(self, on: bool) -> None:
        """Shows the safe picture while `on`: no operator's process gives a sign of life."""
        if on != self._unattended:
            self._unattended = on
            self.update()

    def _check_staleness(self) -> None:
        if not self._stale and self._clock() - self._received_at > STALE_S:
            self._stale = True
            self._picture = self._painted = None
            self.update()
            self.staleness_changed.emit(True)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        image = self._current_safe_image() if self._panic or self._unattended or self._stale else self._newest_image()
        fit = self._presentation.fit
        covered = QRect() if image is None else paint_image(painter, image, self.rect(), fit)
        if not covered.contains(self.rect()):
            painter.setClipRegion(QRegion(self.rect()).subtracted(QRegion(covered)))
            painter.fillRect(self.rect(), Qt.GlobalColor.black)
        painter.end()

    def _newest_image(self) -> QImage | None:
        if self._picture is not self._painted and self._picture is not None:
            self._image = to_image(self._picture.picture, self._presentation, self._image)
            self._painted = self._picture
        return self._image

    def _current_safe_image(self) -> QImage | None:
        if self._safe_image is None and self._safe.picture is not None:
            self._safe_image = to_image(self._safe.picture, self._presentation)
        return self._safe_image

    # -- where it is shown --------------------------------------------------------------------------------------

    @property
    def on_screen(self) -> str | None:
        """The name of the screen it fills or waits for; None for an ordinary window."""
        return self._screen_name

    @property
    def unplugged(self) -> bool:
        """Its screen is unplugged, and it is hidden until the screen returns."""
        return self._unplugged

    def show_as_window(self) -> None:
        """Becomes an ordinary window, for machines with one screen; it does not take the focus."""
        self._screen_name = None
        self._unplugged = False
        self.unsetCursor()
        self.showNormal()

    def fill_screen(self, screen_name: str) -> None:
        """Goes full screen on the screen of that name; hidden until there is one."""
        self._screen_name = screen_name
        screen = find_screen(screen_name)
        if screen is None:
            self._hide_unplugged(f"The screen {screen_name} is not there: the stage comes when it does.")
        else:
            self._show_on(screen)

    def close_for_good(self) -> None:
        """Closes the window, which no other call does."""
        self._may_close = True
        self._staleness_timer.stop()
        self.close()

    def come_back(self) -> None:
        """The platform's window was destroyed by somebody else: makes it anew where it was."""
        place = self.geometry()
        self.destroy()
        self.create()
        if self._screen_name is None:
            self.setGeometry(place)
            self.show_as_window()
        elif not self._unplugged:
            self.hide()
            self.fill_screen(self._screen_name)
        self.notice.emit("The stage window was destroyed from outside: it is back.")

    def _show_on(self, screen: QScreen) -> None:
        self.setCursor(Qt.CursorShape.BlankCursor)
        self.winId()  # creates the native window, which can then be moved to a screen
        handle = self.windowHandle()
        assert handle is not None
        if self.isFullScreen() and handle.screen() is not screen:
            self.hide()
        handle.setScreen(screen)
        self.setGeometry(screen.geometry())
        self.showFullScreen()
        if self._unplugged:
            self._unplugged = False
            self.unplugged_changed.emit(False)
            self.notice.emit(f"The screen {screen.name()} is back, and the stage on it.")

    def _hide_unplugged(self, why: str) -> None:
        self.hide()
        if not self._unplugged:
            self._unplugged = True
            self.unplugged_changed.emit(True)
            self.notice.emit(why)

    def _screen_removed(self, screen: QScreen) -> None:
        # Emitted before Qt moves windows to the primary screen, which is the operator's; a hidden one stays hidden.
        if screen.name() == self._screen_name:
            self._hide_unplugged(f"The screen {self._screen_name} is gone: the stage is hidden until it returns.")

    def _screen_added(self, screen: QScreen) -> None:
        if self._unplugged and screen.name() == self._screen_name:
            # Its geometry may still change; to fill the screen twice does no harm.
            screen.geometryChanged.connect(self._screen_resized)
            self._show_on(screen)

    def _screen_resized(self, geometry: QRect) -> None:
        if self._screen_name is not None and not self._unplugged:
            self.setGeometry(geometry)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        # The operator's keys work whichever of our windows has the focus.
        assert event is not None
        if self._held_keys.is_press(event.key(), self._time_ms(event), marked=event.isAutoRepeat()):
            self.key_pressed.emit(event.key(), int(event.modifiers()))

    def keyReleaseEvent(self, event: QKeyEvent | None) -> None:
        assert event is not None
        self._held_keys.release(event.key(), self._time_ms(event))

    def _time_ms(self, event: QKeyEvent) -> float:
        """When it happened, by the platform where it says so."""
        return event.timestamp() or self._clock() * 1000

    def closeEvent(self, event: QCloseEvent | None) -> None:
        assert event is not None
        # A window manager's close, or Alt+F4 with the focus in the wrong window, must not end the show.
        if self._may_close:
            event.accept()
        else:
            event.ignore()
            self.notice.emit("The stage window stays open: close the operator's window to stop the show.")


def find_screen(name: str) -> QScreen | None:
    """The screen of that name, or None."""
    return next((screen for screen in QGuiApplication.screens() if screen.name() == name), None)

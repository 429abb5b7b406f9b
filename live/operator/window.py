"""The operator's window: what goes in, what comes out, the cues, the looks, the meters, the faults.

Runs in the Qt thread and never waits there: commands are posted to the StageManager, whose news come by a queued
signal, coalesced; the camera's preview is looked at by a timer. Every command has a key, and the keys work whichever
of our windows has the focus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread

from PyQt5.QtCore import QRect, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QCloseEvent, QGuiApplication, QImage, QKeySequence, QResizeEvent
from PyQt5.QtWidgets import (
    QAction,
    QActionGroup,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenu,
    QMenuBar,
    QMessageBox,
    QPushButton,
    QShortcut,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from live.frames import now
from live.operator import theme
from live.operator.cue_list import STATUS_COLOURS, CueList, CueRow, CueStatus
from live.operator.fault_log import Entry, FaultLog
from live.operator.key_help import KeyHelp
from live.operator.library import Library, looks_at_hand
from live.operator.meters import Meters
from live.operator.painting import ROTATIONS, Fit, Presentation, to_image
from live.operator.previews import HEAD_PX, InputView, OutputView
from live.operator.remembered import Remembered
from live.operator.stage import StageWindow, choose_screen, read_safe_picture
from live.operator.wording import ManagerLike, cue_rows, log_entries, output_words, reading
from live.shared_frames import FrameKind, SharedPicture
from live.stage_manager import StageState

REFRESH_MS = 250
PREVIEW_MS = 33
GO_HEIGHTS = (126, 230)
ESCAPE_GUARD_S = 0.7
"""A second Esc within this time is the same fright, and does not bring the show back."""


class OperatorWindow(QMainWindow):
    """One for each show; closing it ends the program."""

    closed = pyqtSignal()
    _news = pyqtSignal()

    def __init__(
        self,
        manager: ManagerLike,
        stage: StageWindow,
        remembered: Remembered,
        *,
        look_folders: Iterable[Path] = (),
        thumbnail_cache: Path | None = None,
        clock: Callable[[], float] = now,
    ) -> None:
        super().__init__()
        self.setWindowTitle("Guise")
        self._manager = manager
        self._stage = stage
        self._remembered = remembered
        self._look_folders = list(look_folders)
        self._clock = clock
        self._state: StageState | None = None
        self._shown_show: object = None
        self._began_at = -1e9
        self._safe: QImage | None = None
        self._safe_path: Path | None = None
        self._kind: FrameKind | None = None
        self._preview_sequence = 0
        self._panicked_at = -1e9
        self._own_notes: list[Entry] = []
        self._reader: Thread | None = None
        self._news_wait = False
        self._may_close = False
        self._stopped = False
        self._build(thumbnail_cache)
        self._build_head()
        self._build_menus()
        self._build_keys()
        self._connect()
        self.set_presentation(remembered.presentation)
        self._restore()
        self.refresh()

    # -- building -----------------------------------------------------------------------------------------------

    def _build(self, cache: Path | None) -> None:
        self.input, self.output = InputView(self._clock), OutputView(self._clock)
        self.cue_list, self.library = CueList(), Library(cache)
        self.meters, self.log = Meters(), FaultLog()
        self.banner = theme.label("SAFE PICTURE ON STAGE  –  Esc to return", "banner")
        self.banner.setAlignment(Qt.AlignmentFlag.AlignCenter)

        previews = QSplitter(Qt.Orientation.Vertical)
        self.title = theme.label("", "title")
        self.title.setFixedHeight(HEAD_PX)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        middle = _column(self.title, self.cue_list, self._build_go())
        looks = _column(_caption("Looks"), self.library)
        for view in (self.input, self.output):
            previews.addWidget(view)
        self._across = QSplitter(Qt.Orientation.Horizontal)
        for part, stretch in ((previews, 3), (middle, 4), (looks, 2)):
            self._across.addWidget(part)
            self._across.setStretchFactor(self._across.count() - 1, stretch)
        self._down = QSplitter(Qt.Orientation.Vertical)
        self._down.addWidget(self._across)
        self._down.addWidget(self.log)
        self._down.setStretchFactor(0, 1)
        for splitter in (previews, self._across, self._down):
            splitter.setHandleWidth(theme.GAP)
            splitter.setChildrenCollapsible(False)
        self._previews = previews

        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(theme.GAP, theme.SMALL_GAP, theme.GAP, theme.GAP)
        column.setSpacing(theme.GAP)
        column.addWidget(self._down, 1)
        column.addWidget(self.meters)
        self.setCentralWidget(whole)
        # Over the head lines, not between them: in a fright nothing may move away from under a hand.
        self.banner.setParent(whole)
        self.banner.hide()
        self.help = KeyHelp(whole)
        self.setTabOrder(self.cue_list, self.library)
        self.setTabOrder(self.library, self.log)
        self.cue_list.setFocus()

    def _build_head(self) -> None:
        """What is always true of the show, at the right of the menus: it takes no line of its own."""
        self.health = QLabel()
        self.health.setTextFormat(Qt.TextFormat.RichText)
        self.where = theme.label("", "caption")
        self._menus = QMenuBar()
        self._menus.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Preferred)
        head = QWidget()
        row = QHBoxLayout(head)
        row.setContentsMargins(0, 0, theme.GAP + 4, 0)
        row.setSpacing(2 * theme.GAP)
        row.addWidget(self._menus, 1)
        row.addWidget(self.where)
        row.addWidget(self.health)
        self.setMenuWidget(head)  # a menu bar's own corner does not grow with its words

    def _build_go(self) -> QWidget:
        self.next_name = theme.label("", "next")
        self.next_name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.next_status = QLabel()
        self.next_status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.go_button = _button("GO", "go", "Space")
        self.go_button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.go_button.setFixedHeight(GO_HEIGHTS[0])
        self.back_button = _button("Back", "back", "Backspace")
        self.panic_button = _button("Panic", "panic", "Esc")
        self.panic_button.setCheckable(True)
        for button in (self.back_button, self.panic_button):
            button.setMinimumHeight(46)
        small = QHBoxLayout()
        small.setSpacing(theme.GAP)
        small.addWidget(self.back_button, 1)
        small.addWidget(self.panic_button, 1)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(theme.label("Next", "caption"))
        words.addWidget(self.next_name)
        words.addWidget(self.next_status)
        words.addStretch(1)
        words.addLayout(small)
        panel = theme.panel()
        row = QHBoxLayout(panel)
        row.setContentsMargins(theme.GAP, theme.GAP, theme.GAP, theme.GAP)
        row.setSpacing(theme.GAP)
        row.addLayout(words, 1)
        row.addWidget(self.go_button, 1)
        panel.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        return panel

    def _build_menus(self) -> None:
        show = self._menu("&Show")
        self._action(show, "Open a show…", "Ctrl+O", self.open_show)
        self._action(show, "Read again", "F5", self.reload_show)
        show.addSeparator()
        self._action(show, "Stop the show", "Ctrl+Q", self._close)

        stage = self._menu("S&tage")
        self._screens_menu = QMenu("Full screen on", stage)
        self._screens_menu.aboutToShow.connect(self._list_screens)
        stage.addMenu(self._screens_menu)
        self._action(stage, "Full screen on another screen", "F11", lambda: self.fill_screen(""))
        self._action(stage, "As a window", "Shift+F11", self.leave_full_screen)
        stage.addSeparator()
        self._mirror_action = self._action(stage, "Mirror", "M", self._toggle_mirror)
        self._mirror_action.setCheckable(True)
        turn = QMenu("Rotation", stage)
        stage.addMenu(turn)
        self._action(turn, "A quarter further", "R", lambda: self._present(self._stage.presentation.turned()))
        turn.addSeparator()
        self._rotation_actions = self._choices(
            turn, [(f"{degrees}°", replace_rotation(degrees)) for degrees in ROTATIONS]
        )
        fit = QMenu("Fit", stage)
        stage.addMenu(fit)
        self._action(fit, "The next way", "F", lambda: self._present(self._stage.presentation.refitted()))
        fit.addSeparator()
        self._fit_actions = self._choices(fit, [(way.value.capitalize(), replace_fit(way)) for way in Fit])

        performer = self._menu("&Performer")
        self._action(performer, "Follow the face in the middle", "L", lambda: self.lock_performer(0.5, 0.5))
        self._action(performer, "Follow the leftmost face", "Ctrl+Left", lambda: self.lock_performer(0.0, 0.5))
        self._action(performer, "Follow the rightmost face", "Ctrl+Right", lambda: self.lock_performer(1.0, 0.5))
        self._action(self._menu("&Help"), "Keys", "F1", self.help.toggle)

    def _menu(self, title: str) -> QMenu:
        menu = QMenu(title, self)
        self._menus.addMenu(menu)
        return menu

    def _action(self, menu: QMenu, text: str, key: str, do: Callable[[], None]) -> QAction:
        action = QAction(text, self)
        action.setShortcut(QKeySequence(key))
        action.setShortcutContext(Qt.ShortcutContext.ApplicationShortcut)
        action.setAutoRepeat(False)
        action.triggered.connect(lambda: do())
        menu.addAction(action)
        return action

    def _choices(self, menu: QMenu, choices: list[tuple[str, Callable[[Presentation], Presentation]]]) -> list[QAction]:
        group = QActionGroup(menu)
        actions = []
        for text, change in choices:
            action = QAction(text, group)
            action.setCheckable(True)
            action.triggered.connect(partial(self._change, change))
            menu.addAction(action)
            actions.append(action)
        return actions

    def _change(self, change: Callable[[Presentation], Presentation], _checked: bool) -> None:
        self._present(change(self._stage.presentation))

    def _build_keys(self) -> None:
        self._key("Space", self.go)
        self._key("Backspace", self.back)
        self._key("Esc", self.toggle_panic)
        self._key("?", self.help.toggle)
        for number in range(1, 10):
            self._key(str(number), partial(self.go_to, number - 1))

    def _key(self, key: str, do: Callable[[], None]) -> None:
        shortcut = QShortcut(QKeySequence(key), self, context=Qt.ShortcutContext.ApplicationShortcut)
        shortcut.setAutoRepeat(False)
        shortcut.activated.connect(lambda: do())

    def _connect(self) -> None:
        self.go_button.pressed.connect(self.go)
        self.back_button.pressed.connect(self.back)
        self.panic_button.clicked.connect(self.toggle_panic)
        self.cue_list.chosen.connect(self.standby)
        self.library.chosen.connect(self.choose_look)
        self.library.portrayed.connect(self.cue_list.cues.set_picture)
        self.input.face_chosen.connect(self.lock_performer)
        self._stage.notice.connect(self.note)
        self._stage.staleness_changed.connect(lambda stale: self._show_output())
        self._stage.screen_lost.connect(lambda lost: self._show_output())
        self._news.connect(self._take_news, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]
        self._unlisten = self._manager.listen(self._tell_news)
        self._refresh_timer, self._preview_timer = QTimer(self), QTimer(self)
        self._refresh_timer.timeout.connect(self.refresh)
        self._refresh_timer.start(REFRESH_MS)
        self._preview_timer.timeout.connect(self._look_at_preview)
        self._preview_timer.start(PREVIEW_MS)

    # -- commands -----------------------------------------------------------------------------------------------

    def go(self) -> None:
        """The standby cue goes on stage. The StageManager guards against a double press."""
        self.help.hide()
        self._manager.go()
        self.refresh()

    def back(self) -> None:
        """The cue before goes on stage."""
        self._manager.back()
        self.refresh()

    def go_to(self, row: int) -> None:
        """This cue goes on stage now, if there is one."""
        if self._state is not None and 0 <= row < len(self._state.cues):
            self._manager.go_to(row)
            self.refresh()

    def standby(self, row: int) -> None:
        """This cue is next."""
        self._manager.standby(row)
        self.refresh()

    def toggle_panic(self) -> None:
        """The safe picture at once; the next time, back to the show."""
        self.help.hide()
        if not self._manager.state.panic:
            self._panicked_at = self._clock()
            self._stage.set_panic(True)
            self._manager.panic()
        elif self._clock() - self._panicked_at > ESCAPE_GUARD_S:
            self._manager.release()
        self.refresh()

    def lock_performer(self, x: float, y: float) -> None:
        """The face nearest to this place of the input keeps the stage."""
        self.input.mark(x, y)
        self._manager.lock_performer(x, y)

    def choose_look(self, file: Path) -> None:
        """The cue that names this look is next. Where none does, one to paste into the show is on the clipboard."""
        for row, entry in enumerate(self._manager.state.cues):
            if isinstance(entry.look, Path) and entry.look.resolve() == file:
                self.cue_list.select(row)
                self.standby(row)
                return
        show = self._manager.state.show_path
        inside = show is not None and file.is_relative_to(show.parent.resolve())
        look = file.relative_to(show.parent.resolve()).as_posix() if inside and show is not None else file.as_posix()
        cue = f'[[cue]]\nname = "{file.stem}"\nlook = "{look}"\ntransition_s = 0.5\n'
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(cue)
        self.note(f"No cue names {file.name}. One is on the clipboard: paste it into the show's file, then press F5.")

    def open_show(self) -> None:
        """Asks for a show's file."""
        path = self._manager.state.show_path
        name, _ = QFileDialog.getOpenFileName(
            self, "Open a show", str(path.parent if path else Path.home()), "Shows (*.toml)"
        )
        if name:
            self._read_show(Path(name))

    def reload_show(self) -> None:
        """Reads the show's file again."""
        self._read_show(None)

    def _read_show(self, path: Path | None) -> None:
        # The one call that may wait: a show's folder may lie on a network drive.
        if self._reader is None or not self._reader.is_alive():
            self._reader = Thread(target=self._manager.reload_show, args=(path,), name="show-reader", daemon=True)
            self._reader.start()

    def note(self, text: str, *, fault: bool = False) -> None:
        """A sentence for the log, of the window's own."""
        self._own_notes.append(Entry(self._clock(), text, fault=fault))
        del self._own_notes[:-100]
        if self._state is not None:
            self._show_log(self._state)

    # -- the stage's screen and presentation --------------------------------------------------------------------

    def fill_screen(self, wanted: str) -> None:
        """The stage full screen on a screen: a name, a number from 1, or empty for one that is not the operator's."""
        if not wanted and self._stage.isFullScreen():
            self.note(f"The stage is on {self._stage.on_screen} already: Shift+F11 makes it a window.")
            return
        name = choose_screen(wanted, self.frameGeometry().center())
        if name is None and wanted:
            self.note(f"There is no screen {wanted}: the stage stays where it is.", fault=True)
        elif name is None:
            self.note("There is no second screen. Stage > Full screen on lists this one: it would cover this window.")
        else:
            self._stage.fill(name)
            self._remembered.stage_screen = name
            self.refresh()

    def leave_full_screen(self) -> None:
        """The stage as a window, after asking: the audience would see the desktop."""
        if self._stage.isFullScreen() and not self._ask(
            f"Take the stage off {self._stage.on_screen}? The audience will see the desktop.", "Take it off"
        ):
            return
        self._remembered.stage_screen = ""
        self._stage.open_window()
        self.raise_()
        self.activateWindow()
        self.refresh()

    def set_presentation(self, presentation: Presentation) -> None:
        """Mirror, rotation and fit of the stage and of its preview."""
        self._stage.set_presentation(presentation)
        self._mirror_action.setChecked(presentation.mirror)
        for degrees, action in zip(ROTATIONS, self._rotation_actions, strict=True):
            action.setChecked(degrees == presentation.rotation)
        for way, action in zip(Fit, self._fit_actions, strict=True):
            action.setChecked(way is presentation.fit)
        self._safe = None
        self._show_output()

    def _present(self, presentation: Presentation) -> None:
        self._remembered.presentation = presentation
        self.set_presentation(presentation)

    def _toggle_mirror(self) -> None:
        self._present(replace(self._stage.presentation, mirror=not self._stage.presentation.mirror))

    def _list_screens(self) -> None:
        self._screens_menu.clear()
        mine = self.frameGeometry().center()
        for number, screen in enumerate(QGuiApplication.screens(), 1):
            size = screen.geometry().size()
            words = f"{number}  {screen.name()}  {size.width()}×{size.height()}"
            if screen.geometry().contains(mine):
                words += "  (this one: covers this window)"
            action = QAction(words, self._screens_menu)
            action.triggered.connect(partial(self._fill_named, screen.name()))
            self._screens_menu.addAction(action)

    def _fill_named(self, name: str, _checked: bool) -> None:
        self.fill_screen(name)

    # -- showing ------------------------------------------------------------------------------------------------

    def show_stage_picture(self, picture: SharedPicture) -> None:
        """The newest picture of the stage, for the output preview."""
        changed = picture.kind is not self._kind
        self._kind = picture.kind
        if self._state is not None and not self._state.panic:
            self.output.show_picture(picture)
        if changed:
            self._show_output()

    def refresh(self) -> None:
        """Shows the StageManager's state. Cheap when nothing changed."""
        state = self._manager.state
        show = (state.show_name, state.show_path, state.safe_picture, [cue.look for cue in state.cues])
        before = None if self._state is None else self._state.standby
        self._state = state
        if show != self._shown_show:
            self._shown_show = show
            self._show_show(state)
        rows = cue_rows(state)
        self.cue_list.cues.show(rows)
        if self.cue_list.selected is None and rows:
            self.cue_list.select(state.standby or 0)
        if state.standby != before and state.standby is not None:
            self.cue_list.show_row(state.standby)
        self._show_next(rows)
        self._show_panic(state.panic)
        self._show_health(state)
        self.meters.show_reading(reading(state))
        camera = state.picture.figures
        self.input.tell_camera(str(camera.get("camera") or ""), str(camera.get("camera_trouble") or ""))
        self._show_log(state)
        self._show_output()

    def _show_show(self, state: StageState) -> None:
        self.title.setText(state.show_name)
        self.setWindowTitle(f"{state.show_name} - Guise")
        self._safe_path, self._safe = state.safe_picture, None
        self._stage.set_safe_picture(self._safe_path)
        folders = [*self._look_folders]
        if state.show_path is not None:
            folders.insert(0, state.show_path.parent)
        named = [entry.look for entry in state.cues if isinstance(entry.look, Path)]
        self.library.show_looks(looks_at_hand(folders, named))

    def _show_next(self, rows: list[CueRow]) -> None:
        row = next((row for row in rows if row.standby), None)
        if row is None:
            name, status, colour = "End of the show", "", theme.QUIET
        else:
            name, colour = f"{row.number}  {row.name}", STATUS_COLOURS[row.status]
            status = f"Refused: {row.why}" if row.status is CueStatus.REFUSED else row.status.value.capitalize()
        self.next_name.setText(name)
        self.next_status.setText(status)
        self.next_status.setToolTip(status)
        theme.colour(self.next_status, colour)

    def _show_panic(self, on: bool) -> None:
        self._stage.set_panic(on)
        self.banner.setVisible(on)
        self.banner.raise_()
        self.panic_button.setChecked(on)

    def _show_health(self, state: StageState) -> None:
        parts = []
        for engine in (state.picture, state.sound):
            well = engine.health == "performing"
            colour = theme.ON_STAGE if well else theme.LOADING if engine.health == "starting" else theme.FAULT
            words = engine.name.capitalize() if well else f"{engine.name.capitalize()} {engine.health}"
            parts.append(f'<span style="color:{colour.name()}">●</span> {words}')
        self.health.setText("&nbsp;&nbsp;&nbsp;&nbsp;".join(parts))

    def _show_log(self, state: StageState) -> None:
        began_at = self._clock() - state.uptime_s
        if abs(began_at - self._began_at) > 0.1:
            self._began_at = began_at
        self.log.show_entries([*log_entries(state, self._began_at), *self._own_notes])

    def _show_output(self) -> None:
        state = self._state
        if state is None:
            return
        kind = None if self._stage.stale else self._kind
        said, colour = output_words(state, kind)
        if kind is FrameKind.GENERATED and not state.panic and state.on_stage is not None:
            said = f"{said}  {state.on_stage + 1} {state.cues[state.on_stage].name}"
        self.output.set_presentation(self._stage.presentation, self._stage_shape())
        self.output.say(said, colour, "Screen unplugged: stage hidden" if self._stage.lost else "")
        if state.panic or kind is None:
            self.output.show_still(self._safe_image())
        self.where.setText(self._where())

    def _where(self) -> str:
        stage = self._stage
        place = f"Stage on {stage.on_screen}" if stage.on_screen is not None else "Stage in a window"
        if stage.lost:
            place = f"{stage.on_screen} unplugged"
        presentation = stage.presentation
        extras = ["mirrored"] if presentation.mirror else []
        extras += [f"{presentation.rotation}°"] if presentation.rotation else []
        extras += [presentation.fit.value] if presentation.fit is not Fit.CONTAIN else []
        return ", ".join([place, *extras])

    def _stage_shape(self) -> QSize:
        return self._stage.size()

    def _safe_image(self) -> QImage | None:
        if self._safe is None:
            picture = read_safe_picture(self._safe_path)
            self._safe = None if picture is None else to_image(picture, self._stage.presentation)
        return self._safe

    def _look_at_preview(self) -> None:
        picture = self._manager.preview_frames.newest(self._preview_sequence)
        if picture is not None:
            self._preview_sequence = picture.sequence
            self.input.show_picture(picture)
        elif self.input.gone:
            self.input.update()

    def _tell_news(self) -> None:
        """Called in the StageManager's thread."""
        if not self._news_wait:
            self._news_wait = True
            self._news.emit()

    def _take_news(self) -> None:
        self._news_wait = False
        if not self._stopped:
            self.refresh()

    # -- beginning and end --------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        low, high = GO_HEIGHTS
        self.go_button.setFixedHeight(min(max(self.height() * 18 // 100, low), high))
        super().resizeEvent(event)
        self.banner.setGeometry(0, 0, self.width(), HEAD_PX + 2 * theme.SMALL_GAP)

    def _restore(self) -> None:
        geometry = self._remembered.bytes("operator/geometry")
        if geometry is None or not self.restoreGeometry(geometry):
            screen = QGuiApplication.primaryScreen()
            assert screen is not None
            room = screen.availableGeometry()
            beside = room.width() - self._stage.width()  # on a screen that takes both, both are seen
            size = QSize(beside if beside >= 1240 else 1600, 900)
            self.setGeometry(QRect(room.topLeft(), size.boundedTo(room.size())))
        width, height = self.width(), self.height()
        self._across.setSizes([width * 30 // 100, width * 46 // 100, width * 24 // 100])
        self._down.setSizes([height, height // 9])
        for name, splitter in (("across", self._across), ("down", self._down), ("previews", self._previews)):
            kept = self._remembered.bytes(f"operator/{name}")
            if kept is not None:
                splitter.restoreState(kept)

    def remember(self) -> None:
        """Keeps geometry and splitters."""
        self._remembered.keep_bytes("operator/geometry", self.saveGeometry())
        for name, splitter in (("across", self._across), ("down", self._down), ("previews", self._previews)):
            self._remembered.keep_bytes(f"operator/{name}", splitter.saveState())

    def stop(self) -> None:
        """Ends what runs for this window: timers, portraits, listening."""
        if self._stopped:
            return
        self._stopped = True
        self._refresh_timer.stop()
        self._preview_timer.stop()
        self.library.stop()
        self._unlisten()
        if self._reader is not None:
            self._reader.join(2.0)

    def _close(self) -> None:
        self.close()

    def close_unasked(self) -> None:
        """For Ctrl-C: whoever pressed it meant it."""
        self._may_close = True
        self.close()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        assert event is not None
        on_stage = self._stage.isVisible() and self._stage.isFullScreen()
        if (
            on_stage
            and not self._may_close
            and not self._ask(f"Stop the show on {self._stage.on_screen}?", "Stop the show")
        ):
            event.ignore()
            return
        self.remember()
        self.stop()
        event.accept()
        self.closed.emit()

    def _ask(self, question: str, yes: str) -> bool:
        box = QMessageBox(QMessageBox.Icon.Warning, "Guise", question, parent=self)
        agreed = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
        keep = box.addButton("Keep performing", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        box.exec_()
        return box.clickedButton() is agreed


def replace_rotation(degrees: int) -> Callable[[Presentation], Presentation]:
    """A change of the rotation alone."""
    return lambda presentation: replace(presentation, rotation=degrees)


def replace_fit(way: Fit) -> Callable[[Presentation], Presentation]:
    """A change of the fit alone."""
    return lambda presentation: replace(presentation, fit=way)


def _caption(text: str) -> QLabel:
    label = theme.label(text, "caption")
    label.setFont(theme.font(bold=True))
    label.setFixedHeight(HEAD_PX)
    return label


def _button(text: str, name: str, key: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Space is GO, whatever was clicked last
    button.setToolTip(key)
    return button


def _column(*parts: QWidget) -> QWidget:
    whole = QWidget()
    column = QVBoxLayout(whole)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(theme.SMALL_GAP)
    for part in parts:
        column.addWidget(part, 1 if isinstance(part, CueList | Library) else 0)
    return whole

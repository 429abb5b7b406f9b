"""The operator's window: what goes in, what comes out, the cues, the looks, the sound, the meters, the faults.

This file wires the parts together; each is a file of its own. Runs in the Qt thread and never waits there: commands are
posted to the StageManager, whose news come by a queued signal, coalesced; the camera's preview is looked at by a timer.
Every command has a key, and the keys work whichever of our windows has the focus: those that drive the show stand in
control/keys, the window's own in commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from pathlib import Path

from PyQt5.QtCore import Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QCloseEvent, QGuiApplication, QImage, QKeySequence, QResizeEvent
from PyQt5.QtWidgets import QFileDialog, QLabel, QMainWindow, QShortcut, QSizePolicy

from live.control import keys
from live.manage.stage_manager import CueState, StageState
from live.operator import theme
from live.operator.cue_list import CueList
from live.operator.fault_log import FaultLog, LogEntry
from live.operator.go_panel import GoPanel
from live.operator.key_help import KeyHelp
from live.operator.layout import WindowLayout, column, row
from live.operator.library import Library, looks_at_hand
from live.operator.menu_bar import MenuBar
from live.operator.menus import Menus
from live.operator.meters import Meters
from live.operator.painting import to_image
from live.operator.presenter import (
    ManagerLike,
    cue_for_look,
    cue_rows,
    cue_text,
    log_entries,
    output_words,
    reading,
    sound_reading,
)
from live.operator.previews import HEAD_PX, InputView, OutputView
from live.operator.settings_store import SettingsStore
from live.operator.sound_strip import SoundStrip
from live.operator.stage import StageWindow, read_safe_picture
from live.operator.stage_controls import StageControls
from live.operator.voice_choice import VoiceChoice, voices_at_hand
from live.process.frames import now
from live.process.shared_frames import FrameKind, SharedPicture

REFRESH_MS = 250
PREVIEW_MS = 33
_OWN_NOTES = 100


class OperatorWindow(QMainWindow):
    """One for each show; closing it ends the program."""

    closed = pyqtSignal()
    _news = pyqtSignal()

    def __init__(
        self,
        manager: ManagerLike,
        stage: StageWindow,
        remembered: SettingsStore,
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
        self._shown_cue: object = None
        self._began_at = -1e9
        self._safe: QImage | None = None
        self._safe_path: Path | None = None
        self._kind: FrameKind | None = None
        self._preview_sequence = 0
        self._own_notes: list[LogEntry] = []
        self._news_wait = False
        self._may_close = False
        self._stopped = False
        self._make_parts(thumbnail_cache)
        self._arrange()
        self._wire()
        self.menus.tick(self.stage_controls.presentation)
        self._arrangement.restore(self, remembered, stage)
        self.refresh()

    # -- building -----------------------------------------------------------------------------------------------

    def _make_parts(self, thumbnail_cache: Path | None) -> None:
        self.input, self.output = InputView(self._clock), OutputView(self._clock)
        self.cue_list, self.go_panel = CueList(), GoPanel()
        self.library, self.log, self.meters = Library(thumbnail_cache), FaultLog(), Meters()
        self.voices, self.sound = VoiceChoice(), SoundStrip(self._clock)
        self.stage_controls = StageControls(self._stage, self._remembered, self)
        self.menus = Menus(self._commands(), self.press, self.stage_controls)
        self.head = MenuBar(self.menus)
        self.title = theme.label("", "title")
        self.title.setFixedHeight(HEAD_PX)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.banner = theme.label("SAFE PICTURE ON STAGE  –  Esc to return", "banner")
        self.banner.setAlignment(Qt.AlignmentFlag.AlignCenter)

    def _arrange(self) -> None:
        middle = column(self.title, self.cue_list, self.go_panel, stretched=self.cue_list)
        with_voice = row(theme.label("Voice", "caption"), self.voices, stretched=self.voices)
        looks = column(_caption("Looks"), self.library, with_voice, stretched=self.library)
        strips = (self.sound, self.meters)
        self._arrangement = WindowLayout((self.input, self.output), middle, looks, self.log, strips)
        self.setMenuWidget(self.head)
        self.setCentralWidget(self._arrangement)
        # Over the head lines, not between them: in a fright nothing may move away from under a hand.
        self.banner.setParent(self._arrangement)
        self.banner.hide()
        self.help = KeyHelp(self._arrangement)
        self.setTabOrder(self.cue_list, self.library)
        reached = [self.library, self.voices, *self.sound.faders.values(), self.sound.mute_button, self.log]
        for before, after in pairwise(reached):
            self.setTabOrder(before, after)
        self.cue_list.setFocus()

    def _commands(self) -> dict[str, Callable[[], None]]:
        """What each of the window's commands does."""
        stage = self.stage_controls
        return {
            "lock middle": partial(self.lock_performer, 0.5, 0.5),
            "lock left": partial(self.lock_performer, 0.0, 0.5),
            "lock right": partial(self.lock_performer, 1.0, 0.5),
            "mute": self.sound.toggle_mute,
            "fill screen": partial(stage.fill_screen, ""),
            "leave screen": stage.leave_screen,
            "mirror": stage.toggle_mirror,
            "turn": stage.turn,
            "refit": stage.refit,
            "open": self.open_show,
            "stop": self._close,
            "help": lambda: self.help.toggle(),  # made later: it covers all the others
        }

    def _wire(self) -> None:
        for binding in keys.BINDINGS:
            shortcut = QShortcut(QKeySequence(binding.key), self, context=Qt.ShortcutContext.ApplicationShortcut)
            shortcut.setAutoRepeat(False)
            shortcut.activated.connect(partial(self.press, binding.key))
        self.go_panel.pressed.connect(self.press)
        self.cue_list.chosen.connect(self.standby)
        self.library.chosen.connect(self.choose_look)
        self.library.portrayed.connect(self.cue_list.cues.set_picture)
        self.input.face_chosen.connect(self.lock_performer)
        self.sound.moved.connect(self._manager.set_parameter)
        self.stage_controls.changed.connect(self._show_stage)
        self.stage_controls.told.connect(lambda text, fault: self.note(text, fault=fault))
        self._stage.notice.connect(self.note)
        self._stage.staleness_changed.connect(lambda stale: self._show_output())
        self._stage.screen_lost.connect(lambda lost: self._show_output())
        self._news.connect(self._take_news, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]
        self._unlisten = self._manager.subscribe(self._tell_news)
        self._refresh_timer, self._preview_timer = QTimer(self), QTimer(self)
        self._refresh_timer.timeout.connect(self.refresh)
        self._refresh_timer.start(REFRESH_MS)
        self._preview_timer.timeout.connect(self._look_at_preview)
        self._preview_timer.start(PREVIEW_MS)

    # -- commands -----------------------------------------------------------------------------------------------

    def press(self, key: str) -> None:
        """A key that drives the show, or the button that stands for it."""
        self.help.hide()
        keys.press(self._manager, key)
        self.refresh()

    def standby(self, row: int) -> None:
        """This cue is next."""
        self._manager.standby(row)
        self.refresh()

    def lock_performer(self, x: float, y: float) -> None:
        """The face nearest to this place of the input keeps the stage."""
        self.input.mark(x, y)
        self._manager.lock_performer(x, y)

    def choose_look(self, file: Path) -> None:
        """The cue that names this look is next; with a voice chosen, the one that names both. Where none does, one is
        added to the show in memory; as text it is on the clipboard, for who wants to keep it.
        """
        state, voice = self._manager.state, self.voices.chosen
        at = next((cue.index for cue in state.cues if _has(cue, file, voice)), None)
        if at is None:
            cue = cue_for_look(file, state, voice)
            at = self._manager.add_cue(cue)
            clipboard = QGuiApplication.clipboard()
            if clipboard is not None:
                clipboard.setText(cue_text(cue, state.show_path))
            self.note(f"The cue for {file.name} is on the clipboard: paste it into the show's file to keep it.")
        self.standby(at)
        self.cue_list.select(at)

    def open_show(self) -> None:
        """Asks for a show's file."""
        path = self._manager.state.show_path
        name, _ = QFileDialog.getOpenFileName(
            self, "Open a show", str(path.parent if path else Path.home()), "Shows (*.toml)"
        )
        if name:
            self._manager.begin_reload(Path(name))

    def note(self, text: str, *, fault: bool = False) -> None:
        """A sentence for the log, of the window's own."""
        self._own_notes.append(LogEntry(self._clock(), text, fault=fault))
        del self._own_notes[:-_OWN_NOTES]
        if self._state is not None:
            self._show_log(self._state)

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
        self._stage.set_panic(state.panic)  # before all else
        models = [(cue.look, cue.voice) for cue in state.cues]
        show = (state.show_name, state.show_path, state.safe_picture, models)
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
        self.go_panel.show_next(rows)
        self.go_panel.show_panic(state.panic)
        self.banner.setVisible(state.panic)
        self.banner.raise_()
        self.head.show_health((state.picture, state.sound))
        self.meters.show_reading(reading(state))
        self._show_sound(state)
        camera = state.picture.metrics
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
        spoken = [entry.voice for entry in state.cues if isinstance(entry.voice, Path)]
        self.voices.show_learned(voices_at_hand(folders, spoken))

    def _show_sound(self, state: StageState) -> None:
        self.sound.show_reading(sound_reading(state))
        cues = self._manager.show.cues
        if state.on_stage is None or state.on_stage >= len(cues):
            return
        cue = cues[state.on_stage]
        if (state.on_stage, cue) != self._shown_cue:
            self._shown_cue = state.on_stage, cue
            self.sound.show_cue(cue.set)

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
        self.output.set_presentation(self._stage.presentation, self._stage.size())
        self.output.say(said, colour, "Screen unplugged: stage hidden" if self._stage.lost else "")
        if state.panic or kind is None:
            self.output.show_still(self._safe_image())
        self.head.show_place(self.stage_controls.place())

    def _show_stage(self) -> None:
        self.menus.tick(self.stage_controls.presentation)
        self._safe = None
        self._show_output()

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
        self.go_panel.fit_into(self.height())
        super().resizeEvent(event)
        self.banner.setGeometry(0, 0, self.width(), HEAD_PX + 2 * theme.SMALL_GAP)

    def stop(self) -> None:
        """Ends what runs for this window: timers, portraits, listening."""
        if self._stopped:
            return
        self._stopped = True
        self._refresh_timer.stop()
        self._preview_timer.stop()
        self.library.stop()
        self.sound.stop()
        self._unlisten()

    def _close(self) -> None:
        self.close()

    def close_unasked(self) -> None:
        """For Ctrl-C: whoever pressed it meant it."""
        self._may_close = True
        self.close()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        assert event is not None
        if not self._may_close and not self.stage_controls.may_close():
            event.ignore()
            return
        self._arrangement.remember(self, self._remembered)
        self.stop()
        event.accept()
        self.closed.emit()


def _has(cue: CueState, look: Path, voice: str | Path | None) -> bool:
    """Whether it is a cue of this look, and of this voice where one is wanted."""
    if voice is not None and cue.voice != voice:
        return False
    return isinstance(cue.look, Path) and cue.look.resolve() == look


def _caption(text: str) -> QLabel:
    label = theme.label(text, "caption")
    label.setFont(theme.font(bold=True))
    label.setFixedHeight(HEAD_PX)
    return label

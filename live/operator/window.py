"""The operator's window: what goes in, what comes out, the cues, the looks, the sound, the meters, the faults.

This file connects the parts; each is a file of its own. Qt thread, where nothing waits: actions are handed to the
StageManager, whose changes arrive by one queued signal, coalesced; a timer polls for the camera's preview. Keys,
buttons, menus and clicks all perform actions of one table (control/actions), and the keys work whichever of our windows
has the focus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from pathlib import Path

from PyQt5.QtCore import Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QCloseEvent, QGuiApplication, QImage, QResizeEvent
from PyQt5.QtWidgets import QFileDialog, QLabel, QMainWindow, QSizePolicy

from live.control.actions import LOCK_PLACES, Actions, Answer, Argument, find_action
from live.control.keys import Keys, keys_of
from live.manage.snapshot import CueState, StageState
from live.operator import theme
from live.operator.cue_list import CueList
from live.operator.fault_log import FaultLog, LogEntry
from live.operator.go_panel import GoPanel
from live.operator.key_help import KeyHelp
from live.operator.layout import WindowLayout, column, row
from live.operator.library import Library, find_looks
from live.operator.menu_bar import MenuBar
from live.operator.menus import Menus
from live.operator.meters import Meters
from live.operator.presenter import (
    ManagerLike,
    cue_for_look,
    cue_rows,
    cue_toml,
    log_entries,
    meter_reading,
    output_status,
    sound_reading,
)
from live.operator.previews import HEADER_PX, InputView, OutputView
from live.operator.settings_store import SettingsStore
from live.operator.shortcuts import ShortcutKeyboard
from live.operator.sound_strip import SoundStrip
from live.operator.stage import Stage
from live.operator.stage_controls import StageControls
from live.operator.voice_choice import VoiceChoice, find_voices
from live.process.frames import now
from live.process.shared_frames import SharedPicture
from live.process.stage_picture import FrameKind
from live.stage_window.painting import to_image
from live.stage_window.safe_picture_reader import WindowSafePicture

REFRESH_MS = 250
PREVIEW_MS = 33
LOW_WINDOW_PX = 800
"""A lower window says the show's name in its title bar alone: the line is the cues'."""
_MAX_OWN_NOTES = 100
_STAGE_WINDOW = "stage window"


class OperatorWindow(QMainWindow):
    """One for each show; closing it ends the program."""

    closed = pyqtSignal()
    _manager_changed = pyqtSignal()
    _asked = pyqtSignal(object)
    """What a control's thread asks to have called in this one."""

    def __init__(
        self,
        manager: ManagerLike,
        actions: Actions,
        stage: Stage,
        settings: SettingsStore,
        *,
        look_folders: Iterable[Path] = (),
        thumbnail_cache: Path | None = None,
        clock: Callable[[], float] = now,
    ) -> None:
        super().__init__()
        self.setWindowTitle("Guise")
        self._manager = manager
        self._actions = actions
        self._stage = stage
        self._settings = settings
        self._look_folders = list(look_folders)
        self._clock = clock
        self._state: StageState | None = None
        self._shown_show: object = None
        self._shown_cue: object = None
        self._started_at = -1e9
        self._safe_picture = WindowSafePicture()
        self._safe_picture.ready.connect(self._show_stage)
        self._safe_image: QImage | None = None
        self._stage_kind: FrameKind | None = None
        self._preview_sequence = 0
        self._own_notes: list[LogEntry] = []
        self._refresh_queued = False
        self._may_close = False
        self._stopped = False
        self._stage_was_shown = False
        self._create_parts(thumbnail_cache)
        self._lay_out()
        self._connect_parts()
        self._start_keys()
        self._start_refreshing()
        self.menus.show_presentation(self.stage_controls.presentation)
        self._layout.restore(self, settings, stage.size.width())
        self.refresh()

    # -- building -----------------------------------------------------------------------------------------------

    def _create_parts(self, thumbnail_cache: Path | None) -> None:
        self.input, self.output = InputView(self._clock), OutputView(self._clock)
        self.cue_list, self.go_panel = CueList(), GoPanel()
        self.library, self.log, self.meters = Library(thumbnail_cache), FaultLog(), Meters()
        self.voices, self.sound = VoiceChoice(), SoundStrip(self._clock)
        self.stage_controls = StageControls(self._stage, self._settings, self)
        self.menus = Menus(self.request, self.stage_controls)
        self.menu_bar = MenuBar(self.menus)
        self.title = theme.label("", "title")
        self.title.setFixedHeight(HEADER_PX)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.banner = theme.label(f"SAFE PICTURE ON STAGE  –  {keys_of('panic')[0]} to return", "banner")
        self.banner.setAlignment(Qt.AlignmentFlag.AlignCenter)

    def _lay_out(self) -> None:
        middle = column(self.title, self.cue_list, self.go_panel, stretched=self.cue_list)
        with_voice = row(theme.label("Voice", "caption"), self.voices, stretched=self.voices)
        looks = column(_caption("Looks"), self.library, with_voice, stretched=self.library)
        strips = (self.sound, self.meters)
        self._layout = WindowLayout((self.input, self.output), middle, looks, self.log, strips)
        self.setMenuWidget(self.menu_bar)
        self.setCentralWidget(self._layout)
        # Over the header lines, not between them: in a panic nothing may move away from under the pointer.
        self.banner.setParent(self._layout)
        self.banner.hide()
        self.help = KeyHelp(self._layout)
        self.setTabOrder(self.cue_list, self.library)
        reached = [self.library, self.voices, *self.sound.faders.values(), self.sound.mute_button, self.log]
        for before, after in pairwise(reached):
            self.setTabOrder(before, after)
        self.cue_list.setFocus()

    def _connect_parts(self) -> None:
        self.go_panel.requested.connect(self.request)
        self.cue_list.chosen.connect(self.standby)
        self.library.chosen.connect(self.choose_look)
        self.library.thumbnail_ready.connect(self.cue_list.cues.set_picture)
        self.input.face_chosen.connect(partial(self.request, "lock_performer"))
        self.sound.moved.connect(partial(self.request, "set_parameter"))
        self.sound.mute_pressed.connect(partial(self.request, "mute"))
        self.stage_controls.changed.connect(self._show_stage)
        self.stage_controls.message.connect(lambda text, fault: self.note(text, fault=fault))
        self._stage.notice.connect(self.note)
        self._stage.staleness_changed.connect(lambda stale: self._show_output())
        self._stage.unplugged_changed.connect(lambda unplugged: self._show_output())
        self._stage.placed.connect(self._stage_placed)
        self._stage.trouble_changed.connect(self._stage_trouble)
        self._stage.taken_away.connect(
            lambda: self._manager.add_fault(_STAGE_WINDOW, "was taken over by another Guise")
        )
        self._stage.key_pressed.connect(lambda key, modifiers: self._keyboard.press(key, modifiers))

    def _start_keys(self) -> None:
        self._asked.connect(self._call_asked, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]
        self._actions.attach_window(self._handlers(), self._asked.emit)
        self._keyboard = ShortcutKeyboard(self, self.menus.keys)
        self._keys = Keys(self._keyboard)
        self._keys.start(self.perform)

    def _handlers(self) -> dict[str, Callable[..., None]]:
        """What each action of the window does."""
        stage = self.stage_controls
        return {
            "stage_full_screen": stage.fill_other_screen,
            "stage_on_screen": stage.fill_screen,
            "stage_window": stage.show_as_window,
            "stage_mirror": stage.toggle_mirror,
            "stage_rotate": stage.rotate,
            "stage_rotation": stage.set_rotation,
            "stage_next_fit": stage.use_next_fit,
            "stage_fit": stage.set_fit,
            "open_show": self.open_show,
            "stop_show": self._close,
            "help": self.help.toggle,
        }

    def _start_refreshing(self) -> None:
        self._manager_changed.connect(self._refresh_if_open, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]
        self._unlisten = self._manager.subscribe(self._queue_refresh)
        self._refresh_timer, self._preview_timer = QTimer(self), QTimer(self)
        self._refresh_timer.timeout.connect(self.refresh)
        self._refresh_timer.start(REFRESH_MS)
        self._preview_timer.timeout.connect(self._poll_preview)
        self._preview_timer.start(PREVIEW_MS)

    # -- actions ------------------------------------------------------------------------------------------------

    def perform(self, name: str, *arguments: Argument) -> Answer:
        """Performs an action, for a key, a button, a menu or a click. One of the cues also hides the page of keys."""
        changes_cues = find_action(name).group == "cues"
        if changes_cues:
            self.help.hide()
        if name in LOCK_PLACES:
            self.input.mark(*LOCK_PLACES[name])
        if name == "mute" and not self.sound.show_mute_pressed():
            return Answer(False, "there is no sound")
        answer = self._actions.perform(name, *arguments)
        if changes_cues:
            self.refresh()
        return answer

    def request(self, name: str, *arguments: Argument) -> None:
        """As `perform`, for signals."""
        self.perform(name, *arguments)

    def standby(self, index: int) -> None:
        """Makes this cue the next one; the page of keys stays."""
        self._actions.perform("standby", index)
        self.refresh()

    def _call_asked(self, call: Callable[[], object]) -> None:
        if self._stopped:
            return
        try:
            call()
        except ValueError as error:
            self.note(str(error))

    def choose_look(self, file: Path) -> None:
        """Makes the cue of this look the next one; with a voice chosen, the cue of look and voice. Where there is none,
        one is added to the show in memory, and its text is put on the clipboard so that it can be kept.
        """
        state, voice = self._manager.state, self.voices.chosen
        index = next((cue.index for cue in state.cues if _matches(cue, file, voice)), None)
        if index is None:
            cue = cue_for_look(file, state, voice)
            index = self._manager.add_cue(cue)
            clipboard = QGuiApplication.clipboard()
            if clipboard is not None:
                clipboard.setText(cue_toml(cue, state.show_path))
            self.note(f"The cue for {file.name} is on the clipboard: paste it into the show's file to keep it.")
        self.standby(index)
        self.cue_list.select(index)

    def open_show(self) -> None:
        """Asks for a show's file, and has it read."""
        path = self._manager.state.show_path
        name, _ = QFileDialog.getOpenFileName(
            self, "Open a show", str(path.parent if path else Path.home()), "Shows (*.toml)"
        )
        if name:
            self._manager.begin_reload(Path(name))

    def note(self, text: str, *, fault: bool = False) -> None:
        """Adds a sentence of the window's own to the log."""
        self._own_notes.append(LogEntry(self._clock(), text, fault=fault))
        del self._own_notes[:-_MAX_OWN_NOTES]
        if self._state is not None:
            self._show_log(self._state)

    # -- showing ------------------------------------------------------------------------------------------------

    def show_stage_picture(self, picture: SharedPicture) -> None:
        """Shows the newest picture of the stage in the output preview."""
        changed = picture.kind is not self._stage_kind
        self._stage_kind = picture.kind
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
        self._show_cues(state, before)
        self.banner.setVisible(state.panic)
        self.banner.raise_()
        self.menu_bar.show_health(state.picture, state.sound)
        self.meters.show_reading(meter_reading(state))
        self._show_sound(state)
        camera = state.picture.metrics
        self.input.show_camera(camera.camera, camera.camera_trouble)
        self.input.show_face_trouble(camera.face_trouble)
        self._show_log(state)
        self._show_output()

    def _show_cues(self, state: StageState, standby_before: int | None) -> None:
        rows = cue_rows(state)
        self.cue_list.cues.show(rows)
        if self.cue_list.selected is None and rows:
            self.cue_list.select(state.standby or 0)
        if state.standby != standby_before and state.standby is not None:
            self.cue_list.scroll_to(state.standby)
        self.go_panel.show_next(rows)
        self.go_panel.show_panic(state.panic)

    def _show_show(self, state: StageState) -> None:
        self.title.setText(state.show_name)
        self.setWindowTitle(f"{state.show_name} - Guise")
        self._safe_picture.read(state.safe_picture)
        self._stage.set_safe_picture(state.safe_picture)
        folders = [*self._look_folders]
        if state.show_path is not None:
            folders.insert(0, state.show_path.parent)
        named = [entry.look for entry in state.cues if isinstance(entry.look, Path)]
        self.library.show_looks(find_looks(folders, named), named)
        named = [entry.voice for entry in state.cues if isinstance(entry.voice, Path)]
        self.voices.show_learned(find_voices(folders, named))

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
        started_at = self._clock() - state.uptime_s
        if abs(started_at - self._started_at) > 0.1:
            self._started_at = started_at
        self.log.show_entries([*log_entries(state, self._started_at), *self._own_notes])

    def _show_output(self) -> None:
        state = self._state
        if state is None:
            return
        kind = None if self._stage.stale else self._stage_kind
        status, colour = output_status(state, kind)
        if kind is FrameKind.GENERATED and not state.panic and state.on_stage is not None:
            status = f"{status}  {state.on_stage + 1} {state.cues[state.on_stage].name}"
        self.output.set_presentation(self._stage.presentation, self._stage.size)
        self.output.show_status(status, colour, "Screen unplugged: stage hidden" if self._stage.unplugged else "")
        if state.panic or kind is None:
            self.output.show_still(self._current_safe_image())
        self.menu_bar.show_stage(self.stage_controls.describe())

    def _show_stage(self, _safe_picture: Path | None = None) -> None:
        self.menus.show_presentation(self.stage_controls.presentation)
        self._safe_image = None
        self._show_output()

    def _stage_placed(self) -> None:
        self._show_output()
        if self._stage.visible and not self._stage_was_shown:
            self._stage_was_shown = True  # it came after this window, and may lie over it
            self.raise_()

    def _stage_trouble(self, what: str) -> None:
        if what:
            self._manager.add_fault(_STAGE_WINDOW, f"{what}; it is started anew")
        else:
            self._manager.end_fault(_STAGE_WINDOW)

    def _current_safe_image(self) -> QImage | None:
        picture = self._safe_picture.picture
        if self._safe_image is None and picture is not None:
            self._safe_image = to_image(picture, self._stage.presentation)
        return self._safe_image

    def _poll_preview(self) -> None:
        picture = self._manager.preview_frames.newest(self._preview_sequence)
        if picture is not None:
            self._preview_sequence = picture.sequence
            self.input.show_picture(picture)
        elif self.input.gone:
            self.input.update()

    def _queue_refresh(self) -> None:
        """Called in the StageManager's thread."""
        if not self._refresh_queued:
            self._refresh_queued = True
            self._manager_changed.emit()

    def _refresh_if_open(self) -> None:
        self._refresh_queued = False
        if not self._stopped:
            self.refresh()

    # -- end ----------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        self.go_panel.fit_into(self.height())
        self.title.setVisible(self.height() >= LOW_WINDOW_PX)
        super().resizeEvent(event)
        self.banner.setGeometry(0, 0, self.width(), HEADER_PX + 2 * theme.SMALL_GAP)

    def stop(self) -> None:
        """Ends what runs for this window: keys, timers, thumbnails, the StageManager's calls. A second call does
        nothing."""
        if self._stopped:
            return
        self._stopped = True
        self._actions.detach_window()
        self._keys.stop()
        self._refresh_timer.stop()
        self._preview_timer.stop()
        self.library.stop()
        self.sound.stop()
        self._unlisten()

    def _close(self) -> None:
        self.close()

    def close_without_asking(self) -> None:
        """For Ctrl-C and SIGTERM, which need no second confirmation."""
        self._may_close = True
        self.close()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        assert event is not None
        if not self._may_close and not self.stage_controls.confirm_close():
            event.ignore()
            return
        self._layout.save(self, self._settings)
        self.stop()
        event.accept()
        self.closed.emit()


def _matches(cue: CueState, look: Path, voice: str | Path | None) -> bool:
    """Whether it is a cue of this look, and of this voice where one is given."""
    if voice is not None and cue.voice != voice:
        return False
    return isinstance(cue.look, Path) and cue.look.resolve() == look


def _caption(text: str) -> QLabel:
    label = theme.label(text, "caption")
    label.setFont(theme.font(bold=True))
    label.setFixedHeight(HEADER_PX)
    return label

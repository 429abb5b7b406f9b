"""The library: every look found, with its thumbnail; Enter or a double click puts it on standby as a cue of its own.

Qt thread. A process of the lowest priority makes the thumbnails (see thumbnails), so nothing here waits.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from PyQt5.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QProcess,
    QProcessEnvironment,
    QSize,
    QStandardPaths,
    Qt,
    QTimer,
    pyqtSignal,
)
from PyQt5.QtGui import QKeyEvent, QPainter, QPen, QPixmap, QResizeEvent
from PyQt5.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from live.operator import theme
from live.operator.cue_list import paint_thumbnail
from live.operator.thumbnails import Thumbnail

TILE = QSize(132, 146)
PORTRAIT_S = 10
"""A look that computes for longer than this has no thumbnail."""
SILENT_MS = 60_000
"""Nor has one, that the process says nothing about for so long: a pipe is never read, whatever its name."""
THUMBNAILS_AFTER_MS = 2000
"""Long enough that the first picture on stage is not delayed."""
_ROOT = Path(__file__).resolve().parents[2]


def default_cache() -> Path:
    """Where thumbnails are stored: the user's cache folder."""
    return (
        Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericCacheLocation))
        / "guise"
        / "thumbnails"
    )


class ThumbnailMaker(QObject):
    """Has thumbnails made, by one process at a time."""

    ready = pyqtSignal(object)
    """A Thumbnail."""

    def __init__(self, cache: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cache = cache
        self._process: QProcess | None = None
        self._waiting: dict[Path, bool] = {}
        """Whether each of these may be performed."""
        self._asked: dict[Path, bool] = {}
        """Those that the process has not answered."""
        self.seconds = PORTRAIT_S
        self._silence = QTimer(self)
        self._silence.setSingleShot(True)
        self._silence.setInterval(SILENT_MS)
        self._silence.timeout.connect(self._kill)

    def request(self, files: Iterable[Path], *, perform: bool = True) -> None:
        """Emits `ready` for each of them later. Not `perform`: the look is read, and not run."""
        for file in files:
            self._waiting[file] = perform or self._waiting.get(file, False)
        if self._process is None and self._waiting:
            self._start()

    def stop(self) -> None:
        """Ends the process, if one runs."""
        self._waiting.clear()
        self._silence.stop()
        process, self._process = self._process, None
        if process is not None:
            process.disconnect()
            process.kill()
            process.waitForFinished(1000)

    def _start(self) -> None:
        self._asked, self._waiting = self._waiting, {}
        environment = QProcessEnvironment.systemEnvironment()
        paths = [str(_ROOT), environment.value("PYTHONPATH")]
        environment.insert("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        process = QProcess(self)
        process.setProcessEnvironment(environment)
        process.setStandardErrorFile(QProcess.nullDevice())
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._finished)
        looks = [f"{'+' if perform else '-'}{file}" for file, perform in self._asked.items()]
        program = ["-P", "-m", "live.operator.thumbnails", str(self._cache), str(self.seconds)]
        process.start(sys.executable, [*program, *looks])
        self._process = process
        self._silence.start()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _read(self) -> None:
        while self._process is not None and self._process.canReadLine():
            line = bytes(self._process.readLine()).decode("utf-8", "replace")
            try:
                thumbnail: Thumbnail = json.loads(line)
            except ValueError:  # output of a library, not ours
                continue
            self._asked.pop(Path(thumbnail["file"]), None)
            self._silence.start()
            self.ready.emit(thumbnail)

    def _finished(self) -> None:
        if self._process is not None:
            self._read()
            self._process.deleteLater()
            self._process = None
            self._silence.stop()
            self._give_up_first()
        if self._waiting:
            self._start()

    def _give_up_first(self) -> None:
        """The process ended before it had answered all: the first of the rest ended it, and the others go on."""
        if not self._asked:
            return
        file, *rest = self._asked
        self._waiting = {other: self._asked[other] for other in rest} | self._waiting
        self._asked = {}
        why = f"has no thumbnail: it computes for more than {self.seconds} s, takes too much memory, or cannot be read"
        self.ready.emit(Thumbnail(file=str(file), kind=None, name=file.stem, thumbnail=None, why=why))


class _LookModel(QAbstractListModel):
    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.files: list[Path] = []
        self.names: dict[Path, str] = {}
        self.pictures: dict[Path, QPixmap] = {}
        self.refusals: dict[Path, str] = {}

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.files)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self.files):
            return None
        file = self.files[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return self.names.get(file, file.stem)
        if role == Qt.ItemDataRole.DecorationRole:
            return self.pictures.get(file)
        if role == Qt.ItemDataRole.ToolTipRole:
            return theme.plain_tip(f"{file}\n{self.refusals.get(file, '')}".strip())
        if role == Qt.ItemDataRole.UserRole:
            return self.refusals.get(file, "")
        return None

    def show(self, files: list[Path]) -> None:
        self.beginResetModel()
        self.files = files
        self.endResetModel()

    def set_thumbnail(self, thumbnail: Thumbnail) -> None:
        file = Path(thumbnail["file"])
        if file not in self.files:
            return
        row = self.files.index(file)
        if thumbnail["kind"] in ("voice", "reading"):
            self.beginRemoveRows(QModelIndex(), row, row)
            del self.files[row]
            self.endRemoveRows()
            return
        self.names[file] = thumbnail["name"]
        if thumbnail["why"]:
            self.refusals[file] = thumbnail["why"]
        if thumbnail["thumbnail"]:
            self.pictures[file] = QPixmap(thumbnail["thumbnail"])
        self.dataChanged.emit(self.index(row), self.index(row))


class _LookDelegate(QStyledItemDelegate):
    tile = TILE

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        return self.tile

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        assert painter is not None
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = option.rect.adjusted(3, 3, -3, -3)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.HOVER if option.state & QStyle.StateFlag.State_MouseOver else theme.RAISED)
        painter.drawRoundedRect(box, theme.RADIUS, theme.RADIUS)
        side = box.height() - 42
        picture = box.adjusted((box.width() - side) // 2, 8, 0, 0)
        picture.setSize(QSize(side, side))
        name = str(index.data(Qt.ItemDataRole.DisplayRole))
        paint_thumbnail(painter, picture, index.data(Qt.ItemDataRole.DecorationRole), name)
        refused = bool(index.data(Qt.ItemDataRole.UserRole)) and index.data(Qt.ItemDataRole.DecorationRole) is None
        painter.setFont(theme.font())
        painter.setPen(theme.FAULT if refused else theme.TEXT)
        line = box.adjusted(6, box.height() - 33, -6, -3)
        painter.drawText(
            line,
            Qt.AlignmentFlag.AlignCenter,
            painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, line.width()),
        )
        if selected:
            focused = bool(option.state & QStyle.StateFlag.State_HasFocus)
            painter.setPen(QPen(theme.SELECTION if focused else theme.QUIET, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), theme.RADIUS, theme.RADIUS)
        painter.restore()


class Library(QListView):
    """The grid of looks."""

    chosen = pyqtSignal(object)
    """The file of the look that the operator wants."""
    thumbnail_ready = pyqtSignal(str, QPixmap)
    """A look's file and its thumbnail."""

    def __init__(self, cache: Path | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.looks = _LookModel(self)
        self.setModel(self.looks)
        self._delegate = _LookDelegate(self)
        self.setItemDelegate(self._delegate)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setMinimumSize(TILE.width() + 30, TILE.height() + 10)
        self.setAccessibleName("Looks")
        self._thumbnails = ThumbnailMaker(cache or default_cache(), self)
        self._thumbnails.ready.connect(self._show_thumbnail)
        self._thumbnail_delay = QTimer(self)
        self._thumbnail_delay.setSingleShot(True)
        self._thumbnail_delay.setInterval(THUMBNAILS_AFTER_MS)
        self._thumbnail_delay.timeout.connect(self._request_thumbnails)
        self._named: frozenset[Path] = frozenset()
        self.doubleClicked.connect(lambda index: self._choose(index.row()))

    def show_looks(self, files: list[Path], named: Iterable[Path]) -> None:
        """Lists these files by their real paths. Once the start is over, those that the show names are performed for
        their thumbnails; the others only when they are selected: what lies beside a show is not to be run because the
        show is opened."""
        named = frozenset(named)
        if (files, named) != (self.looks.files, self._named):
            self.looks.show(files)
            self._named = named
            self._thumbnail_delay.start()

    def _request_thumbnails(self) -> None:
        self._thumbnails.request([file for file in self.looks.files if file in self._named])
        self._thumbnails.request([file for file in self.looks.files if file not in self._named], perform=False)

    def currentChanged(self, current: QModelIndex, previous: QModelIndex) -> None:
        super().currentChanged(current, previous)
        if 0 <= current.row() < len(self.looks.files):
            file = self.looks.files[current.row()]
            if file not in self.looks.pictures and file not in self.looks.refusals:
                self._thumbnails.request([file])

    def stop(self) -> None:
        """Ends the timer and the process."""
        self._thumbnail_delay.stop()
        self._thumbnails.stop()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        # As many columns as fit, with no margin left beside them; the scroll bar's width is always reserved.
        width = self.width() - 22
        self._delegate.tile = QSize(width // max(width // TILE.width(), 1), TILE.height())
        self.setGridSize(self._delegate.tile)
        super().resizeEvent(event)

    def _show_thumbnail(self, thumbnail: Thumbnail) -> None:
        self.looks.set_thumbnail(thumbnail)
        file = Path(thumbnail["file"])
        if file in self.looks.pictures:
            self.thumbnail_ready.emit(str(file), self.looks.pictures[file])

    def _choose(self, row: int) -> None:
        if 0 <= row < len(self.looks.files):
            self.chosen.emit(self.looks.files[row])

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        assert event is not None
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.currentIndex().isValid() and not event.isAutoRepeat():
                self._choose(self.currentIndex().row())
            event.accept()
            return
        moves = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End)
        if event.key() in moves:
            super().keyPressEvent(event)
        else:
            event.ignore()

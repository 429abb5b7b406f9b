"""The cue list: number, picture, name, look, voice, transition and state of each cue.

Three separate marks: the green bar is on stage, the amber bar is standby, the pale frame is the selection, which the
arrow keys move and which has no effect before Enter. Qt thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PyQt5.QtCore import QAbstractListModel, QModelIndex, QObject, QPoint, QRect, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QFont, QKeyEvent, QPainter, QPainterPath, QPen, QPixmap, QResizeEvent
from PyQt5.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from live.manage.model_status import ModelProgress
from live.operator import theme

ROW_PX = 78
LOW_ROW_PX = 52
"""In a list that is low: name and state alone, so that several cues are seen."""
_LOW_LIST_PX = 4 * ROW_PX
_NUMBER_PX = 46
_BAR_PX = 8


STATUS_TEXTS = {
    ModelProgress.UNLOADED: "not loaded",
    ModelProgress.LOADING: "loading",
    ModelProgress.READY: "ready",
    ModelProgress.REFUSED: "refused",
}
STATUS_COLOURS = {
    ModelProgress.UNLOADED: theme.QUIET,
    ModelProgress.LOADING: theme.LOADING,
    ModelProgress.READY: theme.TEXT,
    ModelProgress.REFUSED: theme.FAULT,
}


@dataclass(frozen=True, slots=True)
class CueRow:
    """One line of the list, as it is shown."""

    number: int
    name: str
    summary: str
    """Look, voice and transition."""
    look: str
    """The key of its thumbnail: the look's file, or "bypass", "safe"."""
    status: ModelProgress
    why: str = ""
    """Why it was refused."""
    on_stage: bool = False
    standby: bool = False
    waiting: bool = False
    """It was fired, and comes on stage as soon as its models are loaded."""


class CueModel(QAbstractListModel):
    """The rows, and the thumbnail of each look."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[CueRow, ...] = ()
        self._pictures: dict[str, QPixmap] = {}

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row = self._rows[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return row
        if role == Qt.ItemDataRole.DecorationRole:
            return self._pictures.get(row.look)
        if role == Qt.ItemDataRole.ToolTipRole:
            return theme.plain_tip(f"{row.number} {row.name}\n{row.summary}\n{row.why or STATUS_TEXTS[row.status]}")
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{row.number} {row.name}, {STATUS_TEXTS[row.status]}"
        return None

    @property
    def rows(self) -> tuple[CueRow, ...]:
        """What is listed."""
        return self._rows

    def show(self, rows: Sequence[CueRow]) -> None:
        """Other rows; the selection stays where it is while their number does."""
        fresh = tuple(rows)
        if fresh == self._rows:
            return
        if len(fresh) != len(self._rows):
            self.beginResetModel()
            self._rows = fresh
            self.endResetModel()
            return
        old, self._rows = self._rows, fresh
        for at, (before, after) in enumerate(zip(old, fresh, strict=True)):
            if before != after:
                self.dataChanged.emit(self.index(at), self.index(at))

    def set_picture(self, look: str, picture: QPixmap) -> None:
        """Sets the thumbnail of a look, in every cue that names it."""
        self._pictures[look] = picture
        for at, row in enumerate(self._rows):
            if row.look == look:
                self.dataChanged.emit(self.index(at), self.index(at))


class _CueDelegate(QStyledItemDelegate):
    """Draws one row."""

    row_px = ROW_PX

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        return QSize(200, self.row_px)

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        assert painter is not None
        row = index.data(Qt.ItemDataRole.UserRole)
        if not isinstance(row, CueRow):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = option.rect.adjusted(4, 3, -4, -3)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        self._paint_box(painter, box, row, selected, bool(option.state & QStyle.StateFlag.State_HasFocus))
        inner = box.adjusted(_BAR_PX + theme.SMALL_GAP, 0, -theme.GAP, 0)
        number = QRect(inner.x(), inner.y(), _NUMBER_PX, inner.height())
        painter.setFont(theme.font(theme.CUE_PX, bold=True))
        painter.setPen(theme.TEXT if row.on_stage or row.standby else theme.QUIET)
        painter.drawText(number, Qt.AlignmentFlag.AlignCenter, str(row.number))
        side = self.row_px - 20 if self.row_px == ROW_PX else self.row_px - 12
        picture = QRect(number.right() + 1 + theme.SMALL_GAP, box.center().y() - side // 2 + 1, side, side)
        paint_thumbnail(painter, picture, index.data(Qt.ItemDataRole.DecorationRole), row.look)
        text = inner.adjusted(_NUMBER_PX + side + 3 * theme.SMALL_GAP, 0, 0, 0)
        if self.row_px == ROW_PX:
            self._paint_text(painter, text, row)
        else:
            self._paint_low(painter, text, row)
        painter.restore()

    def _paint_box(self, painter: QPainter, box: QRect, row: CueRow, selected: bool, focused: bool) -> None:
        background = theme.RAISED
        if row.on_stage:
            background = QColor("#17382a")
        elif row.standby:
            background = QColor("#3a301a")
        path = QPainterPath()
        path.addRoundedRect(box.x(), box.y(), box.width(), box.height(), theme.RADIUS, theme.RADIUS)
        painter.fillPath(path, background)
        painter.setClipPath(path)
        bar = QRect(box.x(), box.y(), _BAR_PX, box.height())
        if row.on_stage:
            painter.fillRect(bar, theme.ON_STAGE)
        if row.standby:
            lower = bar.adjusted(0, bar.height() // 2, 0, 0) if row.on_stage else bar
            painter.fillRect(lower, theme.STANDBY)
        painter.setClipping(False)
        if selected:
            colour = theme.SELECTION if focused else theme.QUIET
            painter.setPen(QPen(colour, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), theme.RADIUS, theme.RADIUS)

    def _paint_low(self, painter: QPainter, area: QRect, row: CueRow) -> None:
        line = area.adjusted(0, 8, 0, -8)
        line.setRight(self._paint_marks(painter, line, row) - theme.SMALL_GAP)
        ready = row.status is ModelProgress.READY
        if not (row.on_stage or row.standby or row.waiting) or not (ready or row.waiting):  # one that comes is loading
            line.setRight(self._paint_status(painter, line, row.status) - theme.SMALL_GAP)
        self._paint_line(painter, line, row.name, theme.font(theme.CUE_PX, bold=True), theme.TEXT)

    def _paint_text(self, painter: QPainter, area: QRect, row: CueRow) -> None:
        upper = area.adjusted(0, 7, 0, -area.height() // 2 + 3)
        lower = area.adjusted(0, area.height() // 2 + 3, 0, -6)
        right = self._paint_marks(painter, upper, row)
        upper.setRight(right - theme.SMALL_GAP)
        self._paint_line(painter, upper, row.name, theme.font(theme.CUE_PX, bold=True), theme.TEXT)
        if row.status is ModelProgress.REFUSED:
            self._paint_line(painter, lower, f"Refused: {row.why}", theme.font(), theme.FAULT)
        else:
            left = self._paint_status(painter, lower, row.status)
            lower.setRight(left - theme.SMALL_GAP)
            self._paint_line(painter, lower, row.summary, theme.font(), theme.QUIET)

    @staticmethod
    def _paint_marks(painter: QPainter, area: QRect, row: CueRow) -> int:
        """Paints a pill for each state from the right; returns the left edge of the last."""
        marks = [("ON STAGE", theme.ON_STAGE)] if row.on_stage else []
        marks += [("COMING", theme.LOADING)] if row.waiting else []
        marks += [("STANDBY", theme.STANDBY)] if row.standby else []
        right = area.right()
        painter.setFont(theme.font(theme.BODY_PX, bold=True))
        for text, colour in reversed(marks):
            width = painter.fontMetrics().horizontalAdvance(text) + 20
            pill = QRect(right - width, area.center().y() - 14, width, 28)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawRoundedRect(pill, 5, 5)
            painter.setPen(theme.INK)
            painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, text)
            right = pill.left() - theme.SMALL_GAP
        return right

    @staticmethod
    def _paint_status(painter: QPainter, area: QRect, status: ModelProgress) -> int:
        """Paints a dot and the status at the right; returns their left edge."""
        painter.setFont(theme.font())
        width = painter.fontMetrics().horizontalAdvance(STATUS_TEXTS[status]) + 22
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(STATUS_COLOURS[status])
        painter.drawEllipse(QPoint(area.right() - width + 6, area.center().y()), 5, 5)
        painter.setPen(STATUS_COLOURS[status])
        painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, STATUS_TEXTS[status])
        return area.right() - width

    @staticmethod
    def _paint_line(painter: QPainter, box: QRect, text: str, font: QFont, colour: QColor) -> None:
        painter.setFont(font)
        painter.setPen(colour)
        fitted = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, fitted)


def paint_thumbnail(painter: QPainter, box: QRect, picture: object, look: str) -> None:
    """A look's thumbnail with round corners; until there is one, a dark field with the first letter of its name."""
    path = QPainterPath()
    path.addRoundedRect(box.x(), box.y(), box.width(), box.height(), 5, 5)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    if isinstance(picture, QPixmap) and not picture.isNull():
        painter.setClipPath(path)
        painter.drawPixmap(box, picture)
    else:
        painter.fillPath(path, theme.BACKGROUND)
        painter.setPen(theme.QUIET)
        painter.setFont(theme.font(max(theme.BODY_PX, box.height() * 2 // 5), bold=True))
        name = look.replace("\\", "/").rsplit("/", 1)[-1]
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, name[:1].upper())
    painter.restore()


class CueList(QListView):
    """The list. Arrow, Home, End and page keys move the selection; Enter or a double click asks for standby."""

    chosen = pyqtSignal(int)
    """The row that is to be standby."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cues = CueModel(self)
        self.setModel(self.cues)
        self._delegate = _CueDelegate(self)
        self.setItemDelegate(self._delegate)
        self._kept_in_sight = 0
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumSize(420, LOW_ROW_PX * 3)
        self.doubleClicked.connect(lambda index: self.chosen.emit(index.row()))
        self.setAccessibleName("Cues")

    @property
    def selected(self) -> int | None:
        """The selected row."""
        index = self.currentIndex()
        return index.row() if index.isValid() else None

    def select(self, row: int) -> None:
        """Moves the selection."""
        self.setCurrentIndex(self.cues.index(row))

    def scroll_to(self, row: int) -> None:
        """Scrolls so that the row, the one before and the next one are visible; the selection stays."""
        self._kept_in_sight = row
        for each in (min(row + 1, self.cues.rowCount() - 1), max(row - 1, 0), row):
            self.scrollTo(self.cues.index(each))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        row_px = ROW_PX if self.height() >= _LOW_LIST_PX else LOW_ROW_PX
        if row_px != self._delegate.row_px:
            self._delegate.row_px = row_px
            self.doItemsLayout()
        super().resizeEvent(event)
        self.scroll_to(self._kept_in_sight)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        assert event is not None
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.selected is not None and not event.isAutoRepeat():
                self.chosen.emit(self.selected)
            event.accept()
            return
        moves = (
            Qt.Key.Key_Up,
            Qt.Key.Key_Down,
            Qt.Key.Key_Home,
            Qt.Key.Key_End,
            Qt.Key.Key_PageUp,
            Qt.Key.Key_PageDown,
        )
        if event.key() in moves:
            super().keyPressEvent(event)
        else:  # a letter must not search the list: it may be a key of the window
            event.ignore()

"""What both processes with windows need of Qt: the QApplication, and its messages and errors in Python's log."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from PyQt5.QtCore import QMessageLogContext, Qt, QtMsgType, qInstallMessageHandler
from PyQt5.QtWidgets import QApplication

log = logging.getLogger(__name__)


def open_application() -> QApplication:
    """The process's QApplication, made by the first call. It does not end with the last window."""
    application = QApplication.instance()
    if not isinstance(application, QApplication):
        QApplication.setAttribute(Qt.ApplicationAttribute.AA_EnableHighDpiScaling)
        QApplication.setAttribute(Qt.ApplicationAttribute.AA_UseHighDpiPixmaps)
        application = QApplication(["guise"])
        application.setApplicationName("Guise")
    application.setQuitOnLastWindowClosed(False)
    return application


@contextmanager
def exceptions_to_log() -> Iterator[None]:
    """Logs an exception in a slot and goes on; PyQt5 would end the process, and with it the show."""

    def log_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.error("The window stumbled: %s", error)
        if os.environ.get("GUISE_TRACEBACKS"):
            traceback.print_exception(kind, error, trace)

    old, sys.excepthook = sys.excepthook, log_exception
    try:
        yield
    finally:
        sys.excepthook = old


@contextmanager
def messages_to_log() -> Iterator[None]:
    """Sends Qt's own messages to Python's log."""

    def log_message(kind: QtMsgType, context: QMessageLogContext, text: str | None) -> None:
        severe = kind in (QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg)
        level = logging.ERROR if severe else logging.INFO if kind == QtMsgType.QtWarningMsg else logging.DEBUG
        log.log(level, "Qt: %s", text)

    old = qInstallMessageHandler(log_message)
    try:
        yield
    finally:
        qInstallMessageHandler(old)

"""The signals that end a program: Ctrl-C, being terminated, a terminal that is closed. Any process, any thread."""

from __future__ import annotations

import signal


def ending_signals() -> list[signal.Signals]:
    """Those this system has, without those that whoever started the program wants ignored, as nohup does."""
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    signals = [signal.Signals[name] for name in names if hasattr(signal, name)]
    return [each for each in signals if signal.getsignal(each) is not signal.SIG_IGN]

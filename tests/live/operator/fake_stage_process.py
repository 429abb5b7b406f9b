"""A stage window's process that follows a script: it records commands, and answers as a window would."""

from __future__ import annotations

from live.stage_window.messages import (
    BecomeWindow,
    FillScreen,
    Placed,
    ShowSafe,
    StageCommand,
    StageMessage,
)


class FakeStageProcess:
    """No process, no window."""

    def __init__(self, *, taken_over: bool = False, on_screen: str | None = None) -> None:
        self.taken_over = taken_over
        self.found_on_screen = on_screen
        self.lost = False
        self.trouble: str | None = None
        self.commands: list[StageCommand] = []
        self.answers: list[StageMessage] = []
        self.ticks = 0
        self.stopped = False

    def fileno(self) -> int:
        return -1

    def send(self, command: StageCommand) -> None:
        self.commands.append(command)
        if isinstance(command, FillScreen):
            self.answers.append(Placed(command.name, False, True, True, 800, 600))
        elif isinstance(command, BecomeWindow):
            self.answers.append(Placed(None, False, False, True, 640, 480))

    def events(self) -> list[StageMessage]:
        answers, self.answers = self.answers, []
        return answers

    def tick(self) -> None:
        self.ticks += 1

    def stop(self) -> None:
        self.stopped = True

    @property
    def safe(self) -> bool:
        """The operator wants the safe picture."""
        wanted = [command.on for command in self.commands if isinstance(command, ShowSafe)]
        return bool(wanted and wanted[-1])

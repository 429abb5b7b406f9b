"""The one printer of tables for all benchmarks: what was measured, the value, what was wanted, and whether it held.
Thread: any."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One line of a table. `held`: whether the value is as wanted; None where nothing was."""

    what: str
    measured: str
    wanted: str = ""
    held: bool | None = None


def print_table(title: str, rows: list[Row], note: str = "") -> None:
    """Prints the table on standard output, without colours where that is no terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", caption=Text(note) if note else None, caption_justify="left")
    table.add_column("")
    table.add_column("measured", justify="right")
    table.add_column("wanted", justify="right")
    table.add_column("")
    for row in rows:
        held_text = {None: Text(""), True: Text("held", "green"), False: Text("MISSED", "bold red")}[row.held]
        table.add_row(Text(row.what), Text(row.measured), Text(row.wanted), held_text)
    console = Console()
    if not console.is_terminal:
        console = Console(width=130)
    console.print(table)


def ms_text(value: float | None, digits: int = 1) -> str:
    """`value` in milliseconds, "-" for None."""
    return "-" if value is None else f"{value:.{digits}f} ms"


def at_most(value: float | None, limit: float) -> bool | None:
    """Whether `value` is within `limit`; None for None."""
    return None if value is None else value <= limit

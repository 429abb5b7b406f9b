"""How every verb says that it cannot do what it was asked to: one line on standard error, and exit code 2."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer


def refuse(why: object) -> NoReturn:
    """Ends the verb. `why` is one sentence: what was wrong, and what to do."""
    print(f"guise: {why}", file=sys.stderr)
    raise typer.Exit(2)

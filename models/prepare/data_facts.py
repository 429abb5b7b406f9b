"""dataset.json: what a prepared folder says of itself. Written by `guise prepare`, read by training, and kept in a run.

Each kind of data has its own model. Whatever a folder says beyond the model is kept and passed on, so that a run tells
all that was known of its data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.prepare.data_error import DataError

FILE = "dataset.json"
MAX_BYTES = 64_000_000
"""Facts of a hundred thousand pictures take less."""


class FactsPart(BaseModel):
    """Facts, or a part of them."""

    model_config = ConfigDict(frozen=True)

    def as_dict(self) -> dict[str, object]:
        """The facts that are known, as JSON holds them."""
        return self.model_dump(mode="json", exclude_unset=True)


class DataFacts(FactsPart):
    """What all kinds of data have in common."""

    model_config = ConfigDict(extra="allow")

    version: Literal[1] = Field(default=1, exclude=True)
    """Of the file. The first version is not written: earlier files do not name it."""
    kind: str
    name: str | None = None
    """Whose face or voice it is; None for data of several."""
    digest: str | None = None
    """Of all that is learned from."""


FactsT = TypeVar("FactsT", bound=DataFacts)


def write_facts(folder: Path, facts: DataFacts) -> None:
    """Raises OSError."""
    (folder / FILE).write_text(json.dumps(facts.as_dict(), indent=1, ensure_ascii=False), "utf-8")


def read_facts(folder: Path, model: type[FactsT], kind: str, make: str, wrong_kind: str) -> FactsT:
    """The facts of the prepared data in `folder`. `make` is the command that prepares such data, `wrong_kind` what to
    say of a folder with another kind. Raises DataError."""
    path = folder / FILE
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise DataError(f"{path} is not a file: prepare the data again")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is damaged (more than {MAX_BYTES // 1_000_000} MB): prepare the data again")
        stored = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"{folder} is not a prepared data set: make it with `{make} --out DIR`") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is damaged ({error}): prepare the data again") from error
    if not isinstance(stored, dict) or stored.get("kind") != kind:
        raise DataError(f"{path} {wrong_kind}")
    try:
        return model.model_validate(stored)
    except ValidationError as error:
        raise DataError(f"{path} is damaged ({first_problem(error)}): prepare the data again") from error


def first_problem(error: ValidationError) -> str:
    """One line: which entry is wrong first, and why."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"

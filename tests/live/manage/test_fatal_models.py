"""A model that ends its engine twice is refused until the operator asks for it again."""

from __future__ import annotations

from live.manage.fatal_models import REFUSED_S, FatalModels
from tests.live.manage.conditions import pause, performs, until
from tests.live.manage.conftest import Make


def test_two_ends_within_a_minute_bar_what_performed() -> None:
    at = [0.0]
    models = FatalModels(lambda: at[0])
    models.record_end("look", 1.0, None)
    at[0] = 61.0
    models.record_end("look", 1.0, None)
    assert not models.refused
    at[0] = 90.0
    models.record_end("look", 1.0, None)
    assert models.refused == {"look"}
    models.allow("look")
    assert not models.refused
    models.record_end("look", 1.0, None)
    assert models.refused == {"look"}, "it may be tried once more"


def test_what_nobody_asks_for_is_tried_once_more_after_a_while() -> None:
    at = [0.0]
    models = FatalModels(lambda: at[0])
    for _ in range(2):
        models.record_end("look", 1.0, None)
        models.record_end("bypass", 1.0, None)
    assert models.refused == {"look"}
    at[0] = REFUSED_S - 1
    assert models.take_expired() == []
    at[0] = REFUSED_S
    assert models.take_expired() == ["look"]
    assert not models.refused
    models.record_end("look", 1.0, None)
    models.record_end("look", 1.0, None)
    assert models.refused == {"look"}, "and may fail again"


def test_a_look_that_has_performed_for_long_is_not_blamed_for_one_that_loads() -> None:
    models = FatalModels()
    for _ in range(2):
        models.record_end("proven", 100.0, "new")
    assert models.refused == {"new"}
    assert not models.is_suspect("proven")


def test_a_model_that_ends_its_engine_twice_is_refused_and_the_next_performs(make: Make) -> None:
    manager = make("one", "ends", "three")
    manager.go()
    assert until(lambda: manager.state.cues[1].why == "it ended the picture engine twice")
    assert until(lambda: getattr(manager.state.picture.metrics, "model", None) == "safe")
    assert manager.state.picture.restarts == 2
    assert manager.report()["restarts"] == {"picture": 2, "sound": 0}
    pause()
    manager.go()
    assert until(lambda: performs(manager, 2))
    assert manager.state.picture.restarts == 2

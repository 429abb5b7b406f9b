"""Callbacks: each is called until its own subscription ends."""

from __future__ import annotations

from live.process.subscribers import Subscribers


def test_all_are_called_until_they_unsubscribe() -> None:
    subscribers: Subscribers[[int]] = Subscribers()
    seen: list[tuple[str, int]] = []
    first = subscribers.add(lambda item: seen.append(("a", item)))
    subscribers.add(lambda item: seen.append(("b", item)))
    subscribers.call(1)
    first()
    subscribers.call(2)
    assert seen == [("a", 1), ("b", 1), ("b", 2)]


def test_the_same_callback_twice_is_two_subscriptions() -> None:
    subscribers: Subscribers[[int]] = Subscribers()
    seen: list[int] = []
    first = subscribers.add(seen.append)
    subscribers.add(seen.append)
    first()
    first()
    subscribers.call(1)
    assert seen == [1]


def test_one_may_unsubscribe_while_it_is_called() -> None:
    subscribers: Subscribers[[]] = Subscribers()
    calls: list[str] = []

    def once() -> None:
        calls.append("once")
        unsubscribe()

    unsubscribe = subscribers.add(once)
    subscribers.add(lambda: calls.append("always"))
    subscribers.call()
    subscribers.call()
    assert calls == ["once", "always", "always"]

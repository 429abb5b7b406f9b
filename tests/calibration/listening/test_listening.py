"""A listening test from the page to the ranks: what is served, what is kept, and what is refused."""

from __future__ import annotations

import http.client
import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

import guise
from calibration.listening import trials
from calibration.listening.server import ListeningServer
from calibration.listening.trials import BadListeningTest, ListeningTest, read_ranks


def folders(where: Path, *systems: str, trials: tuple[str, ...] = ("one", "two", "셋 three")) -> list[Path]:
    chance = np.random.default_rng(0)
    for number, system in enumerate(systems):
        (where / system).mkdir(parents=True)
        for trial in trials:
            sound = chance.normal(0, 0.01 * (number + 1), 4000).clip(-1, 1)
            soundfile.write(where / system / f"{trial}.wav", sound, 16_000)
    return [where / system for system in systems]


@contextmanager
def served(test: ListeningTest) -> Iterator[ListeningServer]:
    with ListeningServer(test, "Who </script> is it?") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(
    server: ListeningServer, path: str, body: object = None, **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    told = None if body is None else json.dumps(body)
    connection.request("GET" if body is None else "POST", path, told, sent)
    answer = connection.getresponse()
    found = answer.status, answer.read(), answer.headers
    connection.close()
    return found


def arrived(server: ListeningServer) -> dict:
    """The data of a new listener's page."""
    status, _, headers = ask(server, "/")
    assert status == 303
    status, page, headers = ask(server, headers["Location"])
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert page.count(b"</script>") == 1
    found = re.search(rb"const data = (\{.*\});", page)
    assert found
    return json.loads(found[1])


def test_a_listener_ranks_all_and_each_is_saved_as_it_comes(tmp_path: Path) -> None:
    systems = folders(tmp_path, "우리 voice", "theirs", "real")
    out = tmp_path / "a test"
    test = ListeningTest(systems, out)
    with served(test) as server:
        told = arrived(server)
        assert "우리" not in json.dumps(told, ensure_ascii=False)
        assert "theirs" not in json.dumps(told)
        levels = set()
        for number, sounds in enumerate(told["trials"]):
            for sound in sounds:
                status, wav, _ = ask(server, f"/sound/{sound}")
                assert status == 200
                samples, rate = soundfile.read(io.BytesIO(wav))
                assert (len(samples), rate) == (4000, 16_000)
                levels.add(round(20 * np.log10(np.sqrt(np.mean(samples**2))), 1))
            said = {"trial": number, "best_first": sounds[::-1]}
            assert ask(server, f"/rank/{told['listener']}", said)[0] == 204
            assert len(read_ranks(out)) == 3 * (number + 1)
            assert ask(server, f"/rank/{told['listener']}", said)[0] == 204
            assert len(read_ranks(out)) == 3 * (number + 1), "said twice, saved once"
        assert levels == {-23.0}, "the louder is not the better"
        again = arrived(server)
        assert not {s for t in told["trials"] for s in t} & {s for t in again["trials"] for s in t}
    rows = read_ranks(out)
    assert {row["system"] for row in rows} == {"우리 voice", "theirs", "real"}
    assert {row["trial"] for row in rows} == {"one", "two", "셋 three"}
    assert all(int(row["rank"]) == 4 - int(row["place"]) for row in rows)


def test_nothing_but_the_test_is_served_and_nothing_but_its_ranks_are_taken(tmp_path: Path) -> None:
    test = ListeningTest(folders(tmp_path, "a", "b"), tmp_path / "out")
    with served(test) as server:
        assert server.server_address[0] == "127.0.0.1"
        told = arrived(server)
        mine, sounds = f"/rank/{told['listener']}", told["trials"][0]
        for path in ("/sound/../../etc/passwd", "/sound/%2e%2e/a/one.wav", "/sound/a/one.wav", "/a/one.wav", "//etc"):
            assert ask(server, path)[0] == 404
        assert ask(server, "/listener/nobody")[0] == 303
        assert ask(server, "/", Host="evil.example")[0] == 403
        good = {"trial": 0, "best_first": sounds}
        assert ask(server, mine, good, Host="evil.example")[0] == 403
        assert ask(server, mine, good, Origin="http://evil.example")[0] == 403
        assert ask(server, mine, good, Content_Type="text/plain")[0] == 403
        assert ask(server, "/rank/nobody", good)[0] == 409
        for bad in ({"trial": 1, "best_first": told["trials"][1]}, {"trial": 0, "best_first": [sounds[0]] * 2}):
            assert ask(server, mine, bad)[0] == 409
        for bad in ([], {"trial": "0", "best_first": sounds}, {"trial": 0, "best_first": [1, 2]}, {"trial": 0}):
            assert ask(server, mine, bad)[0] == 400
        assert ask(server, mine, {"trial": 0, "best_first": ["x" * 20_000]})[0] == 400
        assert read_ranks(tmp_path / "out") == []


def test_each_listener_has_another_order(tmp_path: Path) -> None:
    test = ListeningTest(folders(tmp_path, "a", "b", "c"), tmp_path / "out")
    listeners = [test.listener(test.add_listener()) for _ in range(20)]
    assert len({tuple(t.name for t in someone.trials) for someone in listeners if someone}) > 1
    assert len({t.systems for someone in listeners if someone for t in someone.trials}) == 6


def test_a_row_that_a_crash_cut_short_costs_that_trial_alone(tmp_path: Path) -> None:
    systems, out = folders(tmp_path, "a", "b"), tmp_path / "out"
    for _ in range(2):
        test = ListeningTest(systems, out)
        someone = test.add_listener()
        listener = test.listener(someone)
        assert listener
        assert test.save_ranking(someone, 0, listener.trials[0].sounds)
        with (out / "ranks.csv").open("a") as file:
            file.write("2026-01-01T00:00:00+00:00,xyz,one,a,1,1\n2026-01-01T00:00:00+00:00,xyz,on")
    rows = read_ranks(out)
    assert len(rows) == 4
    assert "xyz" not in {row["listener"] for row in rows}
    folders(tmp_path / "else", "a", "c")
    with pytest.raises(BadListeningTest, match="name another folder"):
        ListeningTest([tmp_path / "else" / "a", tmp_path / "else" / "c"], out)


def test_what_is_no_test_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = folders(tmp_path, "a", "b")
    (other,) = folders(tmp_path / "other", "a")
    (empty,) = folders(tmp_path, "empty", trials=())
    (silent,) = folders(tmp_path, "silent")
    soundfile.write(silent / "one.wav", np.zeros(100), 16_000)
    (text,) = folders(tmp_path, "text")
    (text / "one.wav").write_text("no sound")
    out = ["--out", str(tmp_path / "out")]
    for arguments, said in (
        ([str(a), *out], "compares 2 to 9"),
        ([str(a), str(other), *out], "called alike"),
        ([str(a), str(empty), *out], "no .wav has one name"),
        ([str(a), str(tmp_path / "gone"), *out], "no such folder"),
        ([str(a), str(silent), *out], "is silent"),
        ([str(a), str(text), *out], "cannot be played"),
        ([str(a), str(b)], "--out FOLDER"),
        ([], "--out FOLDER"),
        (["--result", str(tmp_path)], "cannot be read"),
        ([str(a), str(b), "--out", str(a / "one.wav")], "cannot be written"),
    ):
        assert guise.main(["listen", *arguments]) == 2, arguments
        told = capsys.readouterr().err.strip()
        assert said in told
        assert len(told.splitlines()) == 1


def test_a_foreign_page_makes_no_listeners(tmp_path: Path) -> None:
    test = ListeningTest(folders(tmp_path, "a", "b"), tmp_path / "out")
    with served(test) as server:
        for site in ("cross-site", "same-site"):
            assert ask(server, "/", Sec_Fetch_Site=site)[0] == 403
        assert ask(server, "/", Sec_Fetch_Site="none")[0] == 303
        told = arrived(server)
        assert ask(server, f"/listener/{told['listener']}", Sec_Fetch_Site="same-origin")[0] == 200
        assert ask(server, f"/listener/{told['listener']}", Sec_Fetch_Site="cross-site")[0] == 403
        assert ask(server, "/rank/x", {}, Content_Length="9" * 5000)[0] == 400


def test_listeners_are_not_kept_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "MAX_LISTENERS", 3)
    test = ListeningTest(folders(tmp_path, "a", "b"), tmp_path / "out")
    ranking, *others = [test.add_listener() for _ in range(3)]
    found = test.listener(ranking)
    assert found
    assert test.save_ranking(ranking, 0, found.trials[0].sounds)
    later = [test.add_listener() for _ in range(50)]
    assert test.listener(ranking) is found
    assert [test.listener(known) for known in (*others, *later[:-2])] == [None] * 50
    assert test.wav(found.trials[0].sounds[0])
    assert len(test._paths) == 3 * len(test.trials) * 2

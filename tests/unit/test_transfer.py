"""Transfers: what is tried again and what is not, what is believed, and what a client leaves behind."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from helpers.survey.sdss import patience
from helpers.survey.sdss.transfer import (
    BadAnswer,
    NotThere,
    Politeness,
    TransferError,
    download,
    is_intact,
    persist,
    take_turn,
)
from tests.loopback import (
    Answer,
    Loopback,
    body,
    connection_reset,
    cut_short,
    html_page,
    serving,
    stalled,
    status,
    throttled,
    truncated,
)

FAST = Politeness(first_pause=0.01, longest_pause=0.05, interval=0, timeout=20)
SHORT = replace(FAST, timeout=0.8, attempts=12)
MAGIC = b"MAGIC"


def content(name: str) -> bytes:
    """64 kB that tell one file from another."""
    return MAGIC + name.encode().ljust(27) + hashlib.sha256(name.encode()).digest() * 2000


def check(path: Path) -> None:
    found = path.read_bytes()
    if not found.startswith(MAGIC) or found != content(found[5:32].decode().strip()):
        raise BadAnswer("not the file")


@pytest.fixture
def server():
    with serving() as loopback:
        loopback.routes["/files/"] = lambda request: Answer(content(request.path.removeprefix("/files/")))
        yield loopback


def fetch(server: Loopback, name: str, folder: Path, politeness: Politeness = FAST) -> Path:
    return download(f"{server.url}/files/{name}", folder / name, validate=check, politeness=politeness)


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


FAULTS = {
    "500": status(500),
    "503 with Retry-After": status(503, **{"Retry-After": "1"}),
    "429": status(429),
    "time-out": stalled(1.2),
    "reset": connection_reset,
    "cut connection": cut_short(1000),
    "truncated": truncated(1000),
    "HTML with 200": html_page,
    "throttle line": throttled,
    "empty body": body(b""),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_passes_costs_one_more_request(server, tmp_path, fault):
    server.fail("/files/", fault)
    path = fetch(server, "a", tmp_path, SHORT if fault is FAULTS["time-out"] else FAST)
    assert path.read_bytes() == content("a") and is_intact(path)
    assert server.count("/files/") == 2 and not leftovers(tmp_path)


def test_all_faults_in_one_run_leave_what_none_leave(server, tmp_path):
    server.fail("/files/", *FAULTS.values())
    names = "abcdefgh"
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda name: fetch(server, name, tmp_path, SHORT), names))
    assert all((tmp_path / name).read_bytes() == content(name) for name in names)
    assert server.count("/files/") == len(names) + len(FAULTS)
    # Requests name the project.
    assert all(request.headers["User-Agent"].startswith("galaxy-mass-anatomy/") for request in server.requests)


def test_a_file_at_hand_is_not_asked_for(server, tmp_path):
    path = fetch(server, "a", tmp_path)
    noted = (tmp_path / "a.sha256").read_text().strip()
    assert noted == hashlib.sha256(content("a")).hexdigest()
    fetch(server, "a", tmp_path)
    assert server.count("/files/") == 1
    path.write_bytes(content("a")[:-1])
    fetch(server, "a", tmp_path)
    assert server.count("/files/") == 2 and path.read_bytes() == content("a")


def test_a_file_put_there_by_hand_is_validated(server, tmp_path):
    (tmp_path / "a").write_bytes(content("a"))
    (tmp_path / "b").write_bytes(content("b")[:500])
    assert is_intact(fetch(server, "a", tmp_path)) and server.count("/files/") == 0
    assert fetch(server, "b", tmp_path).read_bytes() == content("b") and server.count("/files/") == 1


@pytest.mark.parametrize(
    ("code", "kind"), [(404, NotThere), (410, NotThere), (400, TransferError), (403, TransferError)]
)
def test_what_will_not_pass_is_asked_once(server, tmp_path, code, kind):
    server.fail("/files/", status(code))
    with pytest.raises(kind, match=f"download of a: {server.url}/files/a answered HTTP {code}") as caught:
        fetch(server, "a", tmp_path)
    assert server.count("/files/") == 1 and caught.value.attempts == 1 and type(caught.value) is kind
    assert not any(tmp_path.iterdir())


def test_attempts_are_limited_and_the_end_says_why(server, tmp_path):
    server.fail("/files/", *[status(500)] * 2, html_page, status(500))
    with pytest.raises(TransferError, match="in 3 attempts, the last time: BadAnswer: not the file. What is"):
        fetch(server, "a", tmp_path, Politeness(attempts=3, first_pause=0.001))
    assert server.count("/files/") == 3 and not any(tmp_path.iterdir())


def pauses(monkeypatch, politeness: Politeness, *answers: dict[str, str], url: str = "http://x") -> list[float]:
    """Seconds slept between attempts that meet HTTP 503 with these headers."""
    import requests

    slept: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", slept.append)
    remaining = iter(answers)

    def action() -> None:
        response = requests.Response()
        response.status_code = 503
        response.headers.update(next(remaining, {}))
        response.raise_for_status()

    with pytest.raises(TransferError):
        persist(action, politeness, "trial", url)
    return slept


def test_pauses_double_with_a_spread_up_to_the_longest(monkeypatch):
    slept = pauses(monkeypatch, Politeness(attempts=8, first_pause=2, longest_pause=60))
    for k, pause in enumerate(slept):
        assert min(2 * 2**k, 60) <= pause <= min(2 * 2**k * 1.25, 60)
    assert len(slept) == 7 and slept[-1] == 60
    assert slept == pauses(monkeypatch, Politeness(attempts=8, first_pause=2, longest_pause=60))
    assert slept[0] != pauses(monkeypatch, Politeness(attempts=2, first_pause=2), url="http://y")[0]


def test_a_server_that_names_a_pause_is_obeyed_up_to_the_longest(monkeypatch):
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    slept = pauses(
        monkeypatch,
        Politeness(attempts=6, first_pause=0.01, longest_pause=50),
        *({"Retry-After": text} for text in ("30", soon, "86400", "nonsense")),
    )
    assert slept[0] == 30 and slept[1] == pytest.approx(40, abs=3) and slept[2] == 50 and slept[3] < 1


def test_turns_at_one_server_keep_their_interval(monkeypatch):
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(patience.time, "sleep", sleep)
    monkeypatch.setattr(patience, "_last_turn", {})
    for url, passed in (("http://a/1", 0), ("http://a/2", 0.25), ("http://b/1", 0), ("http://a/3", 5)):
        now[0] += passed
        take_turn(url, 1.0)
    assert slept == pytest.approx([0.75])


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_full_disk_is_raised_at_once_and_the_next_call_goes_on(server, tmp_path, monkeypatch, fault):
    fetch(server, "a", tmp_path)

    def full(handle: int) -> None:
        raise OSError(fault, os.strerror(fault))

    with monkeypatch.context() as patch:
        patch.setattr("helpers.runs.os.fsync", full)
        with pytest.raises(OSError, match=r"cannot write in .*, where \d+ MB are free.*call again") as caught:
            fetch(server, "b", tmp_path)
    assert caught.value.errno == fault and server.count("/files/") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.sha256"]
    assert fetch(server, "b", tmp_path).read_bytes() == content("b")


def test_several_may_fetch_one_file_at_once(server, tmp_path):
    with ThreadPoolExecutor(6) as pool:
        paths = list(pool.map(lambda _: fetch(server, "a", tmp_path, Politeness()), range(12)))
    assert set(paths) == {tmp_path / "a"} and (tmp_path / "a").read_bytes() == content("a")
    assert is_intact(tmp_path / "a") and not leftovers(tmp_path)


KILLED = """
import sys
from pathlib import Path
from helpers.survey.sdss.transfer import Politeness, download
url, folder = sys.argv[1], Path(sys.argv[2])
for name in "abcdef":
    download(f"{url}/files/{name}", folder / name, validate=lambda path: None, politeness=Politeness(timeout=60))
"""


def test_a_killed_run_goes_on_where_it_stopped(server, tmp_path):
    # The fourth file is on its way, and never comes.
    asked = threading.Event()

    def stuck(good: Answer) -> Answer:
        asked.set()
        time.sleep(20)
        return good

    server.fail("/files/d", stuck)
    process = subprocess.Popen([sys.executable, "-c", KILLED, server.url, str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        assert asked.wait(60)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert sorted(path.name for path in tmp_path.glob("[a-f]")) == ["a", "b", "c"]
    before = server.count("/files/")
    for name in "abcdef":
        fetch(server, name, tmp_path)
    assert server.count("/files/") - before == 3
    assert all((tmp_path / name).read_bytes() == content(name) for name in "abcdef")


@pytest.mark.parametrize(
    ("setting", "value"), [*itertools.product(("n_workers", "attempts"), (0, 1.5)), ("interval", -1), ("timeout", 0)]
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(ValueError, match=f"Politeness.{setting}: found {value}"):
        Politeness(**{setting: value})

"""Patience with servers: what is worth another try is tried again, after a pause that doubles; the rest is raised."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ...checks import is_number, is_whole

__all__ = ["BadAnswer", "NotThere", "Politeness", "TransferError", "doubting_empty", "persist", "take_turn"]

T = TypeVar("T")

# A share of a pause by which clients that failed together spread out.
SPREAD = 0.25
LONGEST_REASON = 300  # characters
GONE = (404, 410)
BUSY = (408, 425, 429)
# So often an empty table must come before it is believed.
EMPTY_ANSWERS = 3


@dataclass(frozen=True)
class Politeness:
    """How a client behaves towards a server.

    Attributes
    ----------
    n_workers : int
        Downloads at once.
    interval : float
        Least seconds between two catalogue queries.
    attempts : int
        How often one thing is asked for, in all.
    first_pause, longest_pause : float
        Seconds before the second attempt, and at most before any. The pause doubles from attempt to attempt, with a
        spread of a quarter; a server that says how long to wait is obeyed, up to the longest pause.
    timeout : float
        Seconds without a byte after which a connection counts as dead.
    """

    n_workers: int = 3
    interval: float = 1.0
    attempts: int = 6
    first_pause: float = 2.0
    longest_pause: float = 120.0
    timeout: float = 90.0

    def __post_init__(self) -> None:
        for name in ("n_workers", "attempts"):
            value = getattr(self, name)
            if not is_whole(value) or value < 1:
                raise ValueError(f"Politeness.{name}: found {value!r}, expected a positive whole number")
        for name in ("interval", "first_pause", "longest_pause"):
            value = getattr(self, name)
            if not is_number(value) or not value >= 0:
                raise ValueError(f"Politeness.{name}: found {value!r}, expected seconds, 0 or more")
        if not is_number(self.timeout) or not self.timeout > 0:
            raise ValueError(f"Politeness.timeout: found {self.timeout!r}, expected seconds, more than 0")


class TransferError(RuntimeError):
    """Something could not be had from a server. What was finished before is kept.

    Attributes
    ----------
    url : str
    attempts : int
        How often it was asked for.
    """

    def __init__(self, message: str, url: str, attempts: int) -> None:
        super().__init__(message, url, attempts)
        self.url = url
        self.attempts = attempts

    def __str__(self) -> str:
        return str(self.args[0])


class NotThere(TransferError):
    """The server says that it does not hold what was asked for."""


class BadAnswer(ValueError):
    """What came is not what was asked for: worth another try."""


def persist(action: Callable[[], T], politeness: Politeness, what: str, url: str) -> T:
    """Do something with a server, and do it again after a pause for as long as it fails in a way that may pass.

    Parameters
    ----------
    action : callable
        Without arguments; does all of the work anew each time.
    politeness : Politeness
    what, url : str
        What is being done, and where, for the message.

    Returns
    -------
    What `action` returns.

    Raises
    ------
    NotThere
        If the server answers 404 or 410.
    TransferError
        If the attempts are used up, or the server refuses the request for a reason that will not pass.
    OSError
        If the disk is full or may not be written.
    """
    for attempt in range(1, politeness.attempts + 1):
        try:
            return action()
        except Exception as error:
            if not _may_pass(error):
                refusal = _refusal(error, what, url, attempt)
                if refusal is None:
                    raise
                raise refusal from error
            if attempt == politeness.attempts:
                raise TransferError(
                    f"{what}: {url} gave no usable answer in {attempt} attempts, the last time: {_reason(error)}. "
                    "What is finished is kept: call again",
                    url,
                    attempt,
                ) from error
            time.sleep(_pause(attempt, politeness, url, error))
    raise AssertionError("the last attempt returns or raises")


def doubting_empty(action: Callable[[], T], is_empty: Callable[[T], bool]) -> Callable[[], T]:
    """An action for `persist` that takes an empty result for a fault until it has come three times.

    With fewer than three attempts an empty result is never believed.
    """
    count = 0

    def doubting() -> T:
        nonlocal count
        result = action()
        if is_empty(result):
            count += 1
            if count < EMPTY_ANSWERS:
                raise BadAnswer("an empty table, which is believed when it has come three times")
        return result

    return doubting


def take_turn(url: str, interval: float) -> None:
    """Wait until `interval` seconds have passed since this process's last turn at the server of `url`."""
    server = urlsplit(url).netloc
    with _turn_lock:
        lock = _turn_locks.setdefault(server, threading.Lock())
    with lock:
        remaining = _last_turn.get(server, -float("inf")) + interval - time.monotonic()
        if remaining > 0:
            time.sleep(remaining)
        _last_turn[server] = time.monotonic()


_turn_lock = threading.Lock()
_turn_locks: dict[str, threading.Lock] = {}
_last_turn: dict[str, float] = {}


def _may_pass(error: Exception) -> bool:
    """Whether the same request may succeed later."""
    from http.client import HTTPException

    import requests
    from urllib3.exceptions import HTTPError

    if isinstance(error, requests.exceptions.HTTPError):
        status = _status(error)
        return status is None or status >= 500 or status in BUSY
    if isinstance(error, requests.exceptions.RequestException):
        return not isinstance(error, ValueError) or isinstance(error, requests.exceptions.JSONDecodeError)
    return isinstance(error, BadAnswer | ConnectionError | TimeoutError | HTTPException | HTTPError)


def _refusal(error: Exception, what: str, url: str, attempt: int) -> TransferError | None:
    """What to raise for a status that will not pass; None where the error speaks for itself."""
    status = _status(error)
    if status is None:
        return None
    kind = NotThere if status in GONE else TransferError
    return kind(f"{what}: {url} answered {_reason(error)}. What is finished is kept", url, attempt)


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _reason(error: Exception) -> str:
    status = _status(error)
    text = f"HTTP {status}" if status is not None else f"{type(error).__name__}: {error}"
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."


def _pause(attempt: int, politeness: Politeness, url: str, error: Exception) -> float:
    """Seconds before the next attempt; the same for the same address and attempt."""
    draw = int.from_bytes(hashlib.sha256(f"{url} {attempt}".encode()).digest()[:4]) / 2**32
    pause = politeness.first_pause * 2 ** (attempt - 1) * (1 + SPREAD * draw)
    return min(max(pause, _retry_after(error)), politeness.longest_pause)


def _retry_after(error: Exception) -> float:
    """Seconds that the server asks to wait, 0 if it does not say."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
    text = headers.get("Retry-After", "")
    if text.strip().isdigit():
        return float(text)
    try:
        return (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return 0.0

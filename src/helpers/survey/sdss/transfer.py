"""Polite transfers: few at once, patient with a server's faults, and nothing believed that was not checked.

What is worth another try (a time-out, a lost connection, a busy server, an answer that is not what was asked for) is
tried again after a pause that doubles; what is not (a file that does not exist, a full disk) is raised at once. A file
appears under its name only when it is whole and valid, and its SHA-256 is kept beside it.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ... import __version__
from ...progress import progress_bar
from ...runs import atomic_path, file_sha256
from .patience import BadAnswer, NotThere, Politeness, TransferError, doubting_empty, persist, take_turn

__all__ = [
    "USER_AGENT",
    "BadAnswer",
    "Download",
    "NotThere",
    "Politeness",
    "TransferError",
    "checksum_path",
    "doubting_empty",
    "download",
    "download_all",
    "is_intact",
    "persist",
    "take_turn",
    "write_checksum",
    "writing_to",
]

USER_AGENT = f"galaxy-mass-anatomy/{__version__}"
BLOCK = 1 << 18  # bytes streamed at once
DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


@dataclass(frozen=True)
class Download:
    """A file to fetch.

    Attributes
    ----------
    url : str
    target : Path
        Where it shall lie.
    validate : callable
        Takes the path of what came, and raises BadAnswer unless that is the file.
    """

    url: str
    target: Path
    validate: Callable[[Path], None]


def download(url: str, target: Path, *, validate: Callable[[Path], None], politeness: Politeness) -> Path:
    """Fetch a file, unless it is there: whole, by the checksum beside it.

    A file without a checksum, as one that was put there by hand, is validated and given one. Two processes may fetch
    the same file at once.

    Parameters
    ----------
    url : str
    target : Path
        Its SHA-256 is kept in ``<target>.sha256``.
    validate : callable
        Takes the path of what came, and raises BadAnswer unless that is the file.
    politeness : Politeness

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    NotThere, TransferError, OSError
        As `persist` does.
    """
    target = Path(target)
    if not _is_at_hand(target, validate):
        persist(lambda: _fetch(url, target, validate, politeness), politeness, f"download of {target.name}", url)
    return target


def download_all(jobs: Sequence[Download], politeness: Politeness, description: str) -> dict[Download, Exception]:
    """Fetch files, a few at once.

    Parameters
    ----------
    jobs : sequence of Download
        Several with one target are fetched once.
    politeness : Politeness
    description : str
        What the progress bar says.

    Returns
    -------
    dict of Download to Exception
        The jobs whose file the server does not hold, each with its NotThere.

    Raises
    ------
    TransferError, OSError
        The first other failure, after which no further file is begun. Those that are finished are kept.
    """
    waiting = list({job.target: job for job in jobs}.values())
    waiting.reverse()
    absent: dict[Path, Exception] = {}
    failure: Exception | None = None
    running: dict[Future[Path], Download] = {}
    with (
        progress_bar(len(waiting), description, unit="file") as bar,
        ThreadPoolExecutor(politeness.n_workers, thread_name_prefix="download") as pool,
    ):
        while running or (waiting and failure is None):
            while waiting and failure is None and len(running) < politeness.n_workers:
                job = waiting.pop()
                running[pool.submit(_job, job, politeness)] = job
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                job, error = running.pop(future), future.exception()
                bar.update()
                if isinstance(error, NotThere):
                    absent[job.target] = error
                elif isinstance(error, Exception):
                    failure = failure or error
    if failure is not None:
        raise failure
    return {job: absent[job.target] for job in jobs if job.target in absent}


def _job(job: Download, politeness: Politeness) -> Path:
    return download(job.url, job.target, validate=job.validate, politeness=politeness)


def _fetch(url: str, target: Path, validate: Callable[[Path], None], politeness: Politeness) -> None:
    """One attempt: stream beside the target, validate, rename, and note the checksum."""
    import requests

    # Unpacked by nobody on the way: the bytes are the file.
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    with requests.get(url, stream=True, timeout=politeness.timeout, headers=headers) as response:
        response.raise_for_status()
        with writing_to(target.parent), atomic_path(target) as temporary:
            with open(temporary, "wb") as stream:
                for block in response.iter_content(BLOCK):
                    stream.write(block)
            validate(temporary)
    with writing_to(target.parent):
        write_checksum(target)


def checksum_path(path: Path) -> Path:
    """Where a file's SHA-256 is kept."""
    return path.with_name(f"{path.name}.sha256")


def write_checksum(path: Path) -> None:
    """Note a file's SHA-256 beside it."""
    with atomic_path(checksum_path(path)) as temporary:
        temporary.write_text(f"{file_sha256(path)}\n")


def is_intact(path: Path) -> bool:
    """Whether a file is there and its checksum is the one noted beside it."""
    try:
        return checksum_path(path).read_text().strip() == file_sha256(path)
    except (FileNotFoundError, UnicodeDecodeError):
        return False


@contextmanager
def writing_to(directory: Path) -> Iterator[None]:
    """Say how much is free where a write fails because the disk is full or closed to us."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FAULTS:
            raise
        raise OSError(
            error.errno,
            f"{error.strerror}: cannot write in {directory}, where {_free(directory)} are free. "
            "What is finished is kept: make room and call again",
        ) from error


def _is_at_hand(target: Path, validate: Callable[[Path], None]) -> bool:
    if checksum_path(target).exists() or not target.is_file():
        return is_intact(target)
    try:
        validate(target)
    except BadAnswer:
        return False
    with writing_to(target.parent):
        write_checksum(target)
    return True


def _free(directory: Path) -> str:
    for folder in (directory, *directory.parents):
        if folder.is_dir():
            return f"{shutil.disk_usage(folder).free / 1e6:.0f} MB"
    return "unknown numbers of bytes"

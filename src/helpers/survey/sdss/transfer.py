"""Polite transfers: few at once, patient with a server's faults, and nothing believed that was not checked.

What is worth another try (a time-out, a lost connection, a busy server, an answer that is not what was asked for) is
tried again after a pause that doubles; what is not (a file that does not exist, a full disk) is raised at once. A file
appears under its name only when it is whole and valid, and its SHA-256 is kept beside it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ... import __version__
from ...runs import WRITE_FAULTS, atomic_path, file_sha256
from .patience import BadAnswer, NotThere, Politeness, TransferError, doubting_empty, persist, take_turn

__all__ = [
    "USER_AGENT",
    "BadAnswer",
    "NotThere",
    "Politeness",
    "TransferError",
    "checksum_path",
    "doubting_empty",
    "download",
    "is_intact",
    "persist",
    "take_turn",
    "write_checksum",
    "writing_to",
]

USER_AGENT = f"galaxy-mass-anatomy/{__version__}"
BLOCK = 1 << 18  # bytes streamed at once


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
        if error.errno not in WRITE_FAULTS:
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

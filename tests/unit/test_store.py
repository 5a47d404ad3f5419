"""The store of chunks: resumed, repaired, and the same bytes whoever makes it."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.runs import file_sha256
from helpers.survey import chunk_files
from helpers.survey.mock import loading
from helpers.survey.mock.loading import load_mock
from helpers.survey.store import ChunkError, build

ROWS = (20, 0, 31, 12, 25, 18, 22, 9, 30, 14)
FILES = ("catalog.parquet", "truth.parquet", "images.npy")


def make_chunk(number: int, *, calls: Path, fails_at: int | None = None, empty: bool = False) -> dict:
    """A chunk of its number alone; every call leaves a file."""
    (calls / f"{number}-{time.monotonic_ns()}").touch()
    if number == fails_at:
        raise ValueError("no such sky")
    rng = np.random.default_rng((8, number))
    n = 0 if empty else ROWS[number % len(ROWS)]
    mixing = np.ones((300, 300)) / 300
    catalog = pd.DataFrame({"petroMag_r": rng.normal(17, 1, n), "chunk": number})
    truth = pd.DataFrame({"mass": (rng.normal(size=(n, 300)) @ mixing)[:, 0]})
    return {"catalog": catalog, "truth": truth, "images": rng.normal(size=(n, 2, 6, 6)).astype(np.float32)}


@pytest.fixture
def calls(tmp_path) -> Path:
    folder = tmp_path / "calls"
    folder.mkdir()
    return folder


def called(calls: Path) -> list[int]:
    return sorted(int(path.name.split("-")[0]) for path in calls.iterdir())


def digests(directory: Path, n_chunks: int) -> dict[str, str]:
    return {f"{k}/{name}": file_sha256(directory / f"{k:05d}" / name) for k in range(n_chunks) for name in FILES}


def test_a_store_is_the_first_rows_of_its_chunks(tmp_path, calls):
    made = build(tmp_path / "mock", partial(make_chunk, calls=calls), 70, n_processes=1)
    whole = [make_chunk(k, calls=calls) for k in range(5)]
    assert len(made) == 70 and made.chunk_rows == (20, 0, 31, 12, 25)
    for name in ("catalog", "truth"):
        expected = pd.concat([chunk[name] for chunk in whole], ignore_index=True).head(70)
        pd.testing.assert_frame_equal(getattr(made, name), expected, check_dtype=False)
        assert isinstance(getattr(made, name).index, pd.RangeIndex)
    np.testing.assert_array_equal(made.images, np.concatenate([chunk["images"] for chunk in whole])[:70])


def test_two_processes_write_the_bytes_of_one(tmp_path, calls):
    one, two = (
        build(tmp_path / str(n), partial(make_chunk, calls=calls), 150, n_processes=n, description="test")
        for n in (1, 2)
    )
    assert one.chunk_rows == two.chunk_rows and len(one.chunk_rows) == 9
    assert digests(tmp_path / "1", 9) == digests(tmp_path / "2", 9)
    # No more than a chunk for each process is made in vain.
    assert len(list((tmp_path / "1").iterdir())) == 9
    assert len(list((tmp_path / "2").iterdir())) <= 11
    pd.testing.assert_frame_equal(one.catalog, two.catalog)


def test_a_larger_sample_begins_with_the_smaller(tmp_path, calls):
    making = partial(make_chunk, calls=calls)
    small = build(tmp_path / "mock", making, 50, n_processes=1)
    assert called(calls) == [0, 1, 2]
    large = build(tmp_path / "mock", making, 120, n_processes=1)
    assert called(calls) == [0, 1, 2, 3, 4, 5, 6]
    pd.testing.assert_frame_equal(large.catalog.head(50), small.catalog)
    np.testing.assert_array_equal(large.images[:50], small.images)
    again = build(tmp_path / "mock", making, 50, n_processes=1)
    assert len(called(calls)) == 7 and len(again) == 50


@pytest.mark.parametrize("n_processes", [1, 2])
def test_a_failure_names_its_chunk_and_leaves_the_finished_ones(tmp_path, calls, n_processes):
    directory = tmp_path / "mock"
    with pytest.raises(ChunkError, match="chunk 3 of .*: ValueError: no such sky") as caught:
        build(directory, partial(make_chunk, calls=calls, fails_at=3), 100, n_processes=n_processes)
    assert caught.value.chunk == 3
    if n_processes == 1:
        assert sorted(path.name for path in directory.iterdir()) == ["00000", "00001", "00002"]
    kept = sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit())
    resumed = build(directory, partial(make_chunk, calls=calls), 100, n_processes=1)
    assert len(resumed) == 100
    assert all(called(calls).count(number) == 1 for number in kept)
    assert called(calls).count(3) == 2


@pytest.mark.parametrize("damage", ["cut short", "table changed", "file lost", "record lost", "pixel changed"])
def test_a_damaged_chunk_is_made_again(tmp_path, calls, damage):
    making = partial(make_chunk, calls=calls)
    before = build(tmp_path / "mock", making, 60, n_processes=1)
    expected = digests(tmp_path / "mock", 4)
    folder = tmp_path / "mock" / "00002"
    name = {"table changed": "truth.parquet", "file lost": "catalog.parquet", "record lost": "record.json"}.get(
        damage, "images.npy"
    )
    content = bytearray((folder / name).read_bytes())
    if damage.endswith("lost"):
        (folder / name).unlink()
    else:
        content[-3] ^= 255
        (folder / name).write_bytes(content[:-10] if damage == "cut short" else content)
    after = build(tmp_path / "mock", making, 60, n_processes=1, full_check=damage == "pixel changed")
    assert called(calls) == [0, 1, 2, 2, 3]
    assert digests(tmp_path / "mock", 4) == expected
    pd.testing.assert_frame_equal(after.catalog, before.catalog)


def test_leftovers_are_swept_and_what_is_being_written_is_not(tmp_path, calls):
    old, new = (tmp_path / "mock" / f"{chunk_files.UNFINISHED}{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "images.npy").write_bytes(b"half")
    os.utime(old, (time.time() - 2 * chunk_files.ABANDONED_AFTER,) * 2)
    build(tmp_path / "mock", partial(make_chunk, calls=calls), 10, n_processes=1)
    assert not old.exists() and new.exists()


def test_a_chunk_that_another_process_finished_first_is_taken(tmp_path, calls):
    directory = tmp_path / "mock"

    def overtaken(number: int) -> dict:
        if number == 2 and not (directory / "00002").exists():
            build(directory, partial(make_chunk, calls=calls), 60, n_processes=1)
        return make_chunk(number, calls=calls)

    made = build(directory, overtaken, 60, n_processes=1)
    # Chunk 2 was made twice; the other builder's chunks stand, and nothing is left over.
    assert called(calls) == [0, 1, 2, 2, 3, 3]
    assert sorted(path.name for path in directory.iterdir()) == ["00000", "00001", "00002", "00003"]
    assert made.chunk_rows == (20, 0, 31, 12)


def test_a_full_disk_leaves_no_half_chunk(tmp_path, calls, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chunk_files.np, "save", full)
    with pytest.raises(ChunkError, match="chunk 0 of .*No space left"):
        build(tmp_path / "mock", partial(make_chunk, calls=calls), 10, n_processes=1)
    assert list((tmp_path / "mock").iterdir()) == []


def test_bad_chunks_and_numbers_are_refused(tmp_path, calls):
    good = make_chunk(0, calls=calls)
    for change, words in (
        ({"images": good["images"].astype(float)}, "chunk 0 .*images: found float64"),
        ({"truth": good["truth"].head(3)}, "found 20 rows of catalog, 3 of truth and 20 images"),
    ):
        with pytest.raises(ChunkError, match=words):
            build(tmp_path / "bad", lambda number, change=change: {**good, **change}, 10, n_processes=1)
    with pytest.raises(ChunkError, match="the first 100 chunks are empty"):
        build(tmp_path / "empty", partial(make_chunk, calls=calls, empty=True), 10, n_processes=1)
    for name, given in (("n_rows", {"n_rows": 0}), ("n_processes", {"n_rows": 1, "n_processes": 1.5})):
        with pytest.raises(ValueError, match=f"{name}: found"):
            build(tmp_path / "none", partial(make_chunk, calls=calls), **given)


def interrupted(number: int, *, calls: Path, how: str) -> dict:
    """A chunk, but for the first attempt at chunk 2, during which the process is stopped."""
    if number == 2 and 2 not in called(calls):
        make_chunk(number, calls=calls)
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise KeyboardInterrupt
    return make_chunk(number, calls=calls)


@pytest.mark.parametrize(("how", "n_processes"), [("interrupted", 1), ("interrupted", 2), ("killed", 2)])
def test_a_stopped_process_costs_the_chunks_under_way_and_no_more(tmp_path, calls, how, n_processes):
    directory = tmp_path / "a mock, with spaces"
    making = partial(interrupted, calls=calls, how=how)
    expected = pytest.raises(ChunkError, match="killed") if how == "killed" else pytest.raises(KeyboardInterrupt)
    with expected:
        build(directory, making, 60, n_processes=n_processes)
    kept = [int(path.name) for path in directory.iterdir() if path.name.isdigit()]
    made = build(directory, making, 60, n_processes=n_processes)
    assert len(made) == 60 and made.chunk_rows[:4] == ROWS[:4]
    assert all(called(calls).count(number) == 1 for number in kept)


@pytest.mark.parametrize("n_processes", [1, 2])
def test_no_chunk_is_begun_that_cannot_be_made(tmp_path, calls, n_processes):
    making = partial(make_chunk, calls=calls, fails_at=1)
    assert len(build(tmp_path / "one", making, 15, n_processes=n_processes, n_chunks=1)) == 15
    assert called(calls) == [0]
    with pytest.raises(ChunkError, match="n_chunks: the 1 chunks of .* hold 20 galaxies, expected 21"):
        build(tmp_path / "one", making, 21, n_processes=n_processes, n_chunks=1)


def test_a_whole_store_is_opened_where_nothing_can_be_written(tmp_path, calls, monkeypatch):
    making = partial(make_chunk, calls=calls)
    build(tmp_path / "mock", making, 60, n_processes=1)

    def refused(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    # Permissions do not hold for a superuser, so the system's calls are refused instead.
    for name in ("rename", "open", "rmdir", "unlink"):
        monkeypatch.setattr(os, name, refused)
    made_folder = Path.mkdir
    monkeypatch.setattr(Path, "mkdir", lambda path, **how: made_folder(path, **how) if path.exists() else refused())
    assert len(build(tmp_path / "mock", making, 60, n_processes=1)) == 60
    with pytest.raises(ChunkError, match=r"chunk 4 of .*Permission denied \(\d+ MB are free there\)"):
        build(tmp_path / "mock", making, 70, n_processes=1)
    with pytest.raises(PermissionError):
        build(tmp_path / "other", making, 10, n_processes=1)


EQUATION = """
import numpy as np
LEVEL = {level}
def scatter(noise, n):
    return {scatter} * noise.standard_normal(n)
def equation(parents, noise, n):
    return np.exp(LEVEL + scatter(noise, n) + (lambda x: x * SLOPE)(parents["log_mass"]))
SLOPE = {slope}
"""


def test_an_equation_is_known_by_what_it_computes(tmp_path, monkeypatch):
    asked = []

    def build_nothing(directory, *args, **kwargs):
        asked.append(directory)
        raise InterruptedError

    monkeypatch.setattr(loading, "build", build_nothing)

    def folder(equation) -> Path:
        with pytest.raises(InterruptedError):
            load_mock("mock", 5, 0, tmp_path, interventions={"dust_depth": equation})
        return asked[-1]

    def written(file: str, lines: int = 0, **values: float):
        names: dict = {"__name__": "__main__"}
        source = "\n" * lines + EQUATION.format(**{"level": 0.1, "scatter": 0.2, "slope": 0.3} | values)
        exec(compile(source, file, "exec"), names)
        return names["equation"]

    usual = folder(written("cell 1"))
    # The same equation in another cell of another kernel, and each part of it changed.
    assert folder(written("cell 2", lines=7)) == usual
    changed = {folder(written("cell 1", **{name: 0.5})) for name in ("level", "scatter", "slope")}
    assert len(changed) == 3 and usual not in changed
    assert folder(lambda parents, noise, n, depth=0.5: np.full(n, depth)) != folder(
        lambda parents, noise, n, depth=0.6: np.full(n, depth)
    )
    assert folder(partial(written("cell 1"), n=3)) != folder(partial(written("cell 1"), n=4))
    assert folder(0.5) == folder(np.float64(0.5)) != folder(0.6)

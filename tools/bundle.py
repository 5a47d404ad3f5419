"""The published run as it comes with the book: what its chapters computed, without pictures, weights and scratch.

``data/bundle/runs/<name>`` is laid out as ``runs/<name>``, so that a chapter reads there what its run has not computed.
``bundle.json`` says at which commit it was made, when, on which computer, with which parameters and in which wall time
of every chapter, and lists every file and every stored study with its size and checksum.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from helpers.runs import BUNDLE, ArtifactError, Run, file_sha256, sidecar

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.project import ROOT, chapters
from tools.studies import STORED, commit, computer, today

__all__ = ["BundleError", "check_bundle", "main", "make_bundle"]

LARGEST = 15e6  # bytes: it is part of every clone
KEPT = (".parquet", ".npz", ".json")
RECORD = "bundle.json"


class BundleError(RuntimeError):
    """A bundle cannot be made, or is not what its record says."""


def make_bundle(runs: Path, executed: Path, root: Path = ROOT) -> Path:
    """Make the bundle anew from a run.

    Parameters
    ----------
    runs : path
        The run, such as ``runs/book``.
    executed : path
        Its executed notebooks, which hold wall times and figures.
    root : path
        Folder that gets ``data/bundle``; the bundle that was there goes only when the new one is complete.

    Raises
    ------
    BundleError
        If a chapter is missing or stale, or the bundle would be too large.
    """
    target = root / BUNDLE
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=target.parent) as name:
        new = Path(name) / "new"
        parameters = _sidecar_of(runs, chapters()[0])["parameters"]
        times = {chapter: _copy_chapter(Run(runs, chapter, parameters), executed, new) for chapter in chapters()}
        _check_inputs(new / "runs" / runs.name)
        record = {
            "commit": commit(),
            "date": today(),
            "run": runs.name,
            "parameters": parameters,
            "computer": computer(),
            "seconds": times,
            "files": _listed(new),
            "studies": {file.name: _told(file) | {"commits": _commits(file)} for file in sorted(STORED.glob("*.json"))},
        }
        (new / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        size = sum(file.stat().st_size for file in new.rglob("*") if file.is_file())
        if size > LARGEST:
            raise BundleError(f"the bundle has {size / 1e6:.1f} MB, expected at most {LARGEST / 1e6:.0f}")
        if target.exists():
            os.replace(target, Path(name) / "old")
        os.replace(new, target)
    return target


def check_bundle(root: Path = ROOT, studies: Path = STORED) -> list[str]:
    """What is wrong with a bundle: files that are missing, damaged or not on record, and studies made since.

    Raises
    ------
    BundleError
        If there is no bundle, or its record is damaged.
    """
    folder = root / BUNDLE
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        files, of_studies = (
            {name: {key: told[key] for key in ("bytes", "sha256")} for name, told in record[kind].items()}
            for kind in ("files", "studies")
        )
    except FileNotFoundError:
        raise BundleError(f"{folder / RECORD} is missing: make bundle") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{folder / RECORD} is damaged: {error!r}") from None
    held = _listed(folder)
    faults = [f"{folder / name}: not on record" for name in sorted({*held} - {*files})]
    stored = {name: _told(studies / name) for name in of_studies if (studies / name).is_file()}
    for base, expectations, told in ((folder, files, held), (studies, of_studies, stored)):
        for name, expected in expectations.items():
            found = told.get(name)
            if found != expected:
                what = "missing" if found is None else "not what was bundled: its checksum differs"
                faults.append(f"{base / name}: {what}")
    return faults


def changed_chapters(root: Path = ROOT) -> list[str]:
    """Chapters whose code has changed since the bundle was made."""
    record = json.loads((root / BUNDLE / RECORD).read_text(encoding="utf-8"))
    runs = root / BUNDLE / "runs" / record["run"]
    codes = {
        chapter: Run(root / "runs" / runs.name, chapter, record["parameters"]).code for chapter in record["seconds"]
    }
    return [chapter for chapter, code in codes.items() if code != _sidecar_of(runs, chapter)["code"]]


def _copy_chapter(run: Run, executed: Path, new: Path) -> float:
    """Copy what later chapters and readers need of one chapter, and give its wall time in seconds."""
    source, place = run.path(""), new / "runs" / run.directory.name / run.chapter
    _sidecar_of(run.directory, run.chapter)
    place.mkdir(parents=True)
    for file in sorted(source.iterdir()):
        if file.suffix not in KEPT or (file.suffix == ".json" and file.name != "results.json"):
            continue
        try:
            run.check(f"{run.chapter}/{file.name}")
        except ArtifactError as error:
            raise BundleError(str(error)) from None
        for kept in (file, sidecar(file)):
            shutil.copyfile(kept, place / kept.name)
    notebook = executed / f"{run.chapter}.ipynb"
    if not notebook.is_file():
        raise BundleError(f"{notebook} is missing: make book")
    return round(nbformat.read(notebook, as_version=4).metadata["papermill"]["duration"], 1)


def _check_inputs(runs: Path) -> None:
    """See that a bundled run holds all that its own artifacts were made from."""
    for record in sorted({*runs.rglob("*.parquet.json"), *runs.rglob("*.npz.json"), *runs.rglob("results.meta.json")}):
        for name, sha256 in json.loads(record.read_text(encoding="utf-8"))["inputs"].items():
            if not (runs / name).is_file() or file_sha256(runs / name) != sha256:
                raise BundleError(f"{record.relative_to(runs)}: it was made from {name}, which is not in the bundle")


def _sidecar_of(runs: Path, chapter: str) -> dict[str, Any]:
    """What a chapter's results say of themselves."""
    record = runs / chapter / "results.meta.json"
    if not record.is_file():
        raise BundleError(f"{record} is missing: make book")
    return dict(json.loads(record.read_text(encoding="utf-8")))


def _commits(study: Path) -> list[str]:
    """Commits that made a stored study, whose parts may have been made at several."""
    origin = json.loads(study.read_text(encoding="utf-8"))["provenance"]
    origins = [origin] if "commit" in origin else [*origin.values()]
    return sorted({one["commit"] for one in origins})


def _listed(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and checksum of every file of a bundle, by its path, but of the record."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and file.name != RECORD)
    return {str(file.relative_to(folder)): _told(file) for file in files}


def _told(file: Path) -> dict[str, Any]:
    return {"bytes": file.stat().st_size, "sha256": file_sha256(file)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--profile", default="book", help="of the run that is bundled")
    parser.add_argument("--check", action="store_true", help="compare the bundle with its record, and make nothing")
    options = parser.parse_args(arguments)
    try:
        if not options.check:
            make_bundle(ROOT / "runs" / options.profile, ROOT / "_build" / "executed" / options.profile)
        faults = check_bundle()
    except BundleError as error:
        print(error, file=sys.stderr)
        return 1
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        return 1
    record = json.loads((ROOT / BUNDLE / RECORD).read_text(encoding="utf-8"))
    size = sum(told["bytes"] for told in record["files"].values())
    print(f"{len(record['files'])} files, {size / 1e6:.1f} MB, made at commit {record['commit']} on {record['date']}")
    if changed := changed_chapters():
        print(f"code changed since: {', '.join(changed)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

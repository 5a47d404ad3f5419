"""Compute all that takes too long for every reader, in one grid: the studies that the chapters show.

A killed run goes on where it stopped. A task that fails stops no other: it is named at the end, and the exit status
is 1.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from helpers.grid import GridError
from helpers.grid.clients import BATCH_SYSTEMS, visible_gpus

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import contrastive_study, independence_study, information_study, tuples_study
from tools.project import ROOT
from tools.studies import Study, run_studies

__all__ = ["STUDIES", "main"]


def _of_tuples(kind: str) -> Callable[[str], Study]:
    return lambda device: tuples_study.study(kind, device=device)


STUDIES: dict[str, Callable[[str], Study]] = {
    "contrastive": lambda device: contrastive_study.study(device=device),
    "information": lambda device: information_study.study(),
    "independence": lambda device: independence_study.study(),
    **{tuples_study.name_of(kind): _of_tuples(kind) for kind in tuples_study.KINDS},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "studies",
        nargs="*",
        metavar="STUDY",
        help=f"some of {', '.join(STUDIES)}, or what several begin with; all without any",
    )
    parser.add_argument("--scheduler", help="tcp://host:port of a dask scheduler, slurm or pbs; by default local")
    parser.add_argument("--workers", type=int, help="processes or jobs; by default one for each GPU or core")
    parser.add_argument("--per-gpu", type=int, default=1, help="processes of this computer that share a GPU")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="of large networks")
    parser.add_argument("--list", action="store_true", help="say what would be computed, and compute nothing")
    options = parser.parse_args(arguments)
    chosen = {one: [name for name in STUDIES if f"{name}_".startswith(f"{one}_")] for one in options.studies}
    unknown = [one for one, names in chosen.items() if not names]
    if unknown:
        parser.error(f"STUDY: found {', '.join(sorted(unknown))}, expected some of {', '.join(STUDIES)}")
    device = options.device
    if device == "auto":
        device = "cuda" if visible_gpus() else "cpu"
    asked = [name for names in chosen.values() for name in names]
    studies = [STUDIES[name](device) for name in dict.fromkeys(asked or STUDIES)]
    if options.list:
        for task in (task for study in studies for task in study.tasks):
            print(f"{task.key}  {task.name}")
        return 0
    _, report = run_studies(
        studies,
        ROOT / "runs" / "grid",
        scheduler=options.scheduler,
        n_workers=options.workers,
        per_gpu=options.per_gpu,
        options=_of_jobs() if options.scheduler in BATCH_SYSTEMS else None,
    )
    print(f"{len(report.finished)} tasks finished, {len(report.reused)} had been, in {report.seconds / 60:.0f} minutes")
    try:
        report.raise_for_failures()
    except GridError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _of_jobs() -> dict[str, Any]:
    """What a job does first: it may begin in another folder, and has to find the modules here."""
    root = shlex.quote(str(ROOT))
    return {"job_script_prologue": [f"cd {root}", f"export PYTHONPATH={root}"]}


if __name__ == "__main__":
    raise SystemExit(main())

"""Fetch the frames of the one real field that chapter 1 cuts galaxies from, 17 MB, into the cache."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from helpers.runs import cache_directory
from helpers.survey.sdss import Field, Politeness, fetch_frames

__all__ = ["FIELD", "main"]

FIELD = Field(run=5112, rerun=301, camcol=4, field=345)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the frames, unless they are there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", default="", help="cache folder; default: data/cache of the project")
    folder = cache_directory(parser.parse_args(arguments).data_dir or None) / "frames"
    for _, frames in fetch_frames([FIELD], folder, Politeness(), allow_network=True):
        print(f"bands {', '.join(frames)} of {FIELD} are in {folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

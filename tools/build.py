"""Build the staged book with jupyter-book: warnings are errors, and index.html must be there afterwards."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.project import ROOT

__all__ = ["BuildError", "build", "index_page", "main"]


class BuildError(RuntimeError):
    """The build failed or left no pages."""


def index_page(output: Path) -> Path:
    """Path of the built book's first page, which exists.

    Raises
    ------
    BuildError
        If there is none: some releases of jupyter-book build nothing and still report success.
    """
    index = output / "_build" / "html" / "index.html"
    if not index.is_file():
        raise BuildError(f"{index} does not exist: the build made no pages")
    return index.resolve()


def build(stage: Path, output: Path) -> Path:
    """Build every page anew, so that a warning is seen each time and not only when its page changes.

    Parameters
    ----------
    stage : Path
        The mirror made by ``tools/stage.py``.
    output : Path
        The pages go to ``<output>/_build/html``.

    Returns
    -------
    Path
        The built ``index.html``.

    Raises
    ------
    BuildError
        If jupyter-book fails or makes no pages.
    """
    (output / "_build" / "html" / "index.html").unlink(missing_ok=True)
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", str(stage)]
    command += ["-n", "-W", "--keep-going", "--all", "--quiet", "--path-output", str(output)]
    environment = dict(os.environ) if sys.stderr.isatty() else {**os.environ, "NO_COLOR": "1"}
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
        raise BuildError("jupyter-book failed: its warnings and errors stand above")
    return index_page(output)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: build, then print where the first page is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", type=Path, default=ROOT / "_build" / "stage")
    parser.add_argument("--output", type=Path, default=ROOT / "_build" / "book")
    parser.add_argument("--where", action="store_true", help="build nothing, only print where the pages are")
    options = parser.parse_args(arguments)
    try:
        if options.where:
            print(f"The book is at {index_page(options.output)}")
        else:
            build(options.stage, options.output)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

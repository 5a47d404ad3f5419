"""Mirror the book into a folder that holds only what the pages are made of.

Pages keep their paths in the repository, so the launch buttons of a chapter point at ``notebooks/NN.ipynb``.
Executed notebooks take the place of those without outputs. Widget state and widget outputs are dropped: in a
static page they would ask for scripts from elsewhere and show nothing.
"""

from __future__ import annotations

import argparse
import base64
import filecmp
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import nbformat

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.project import ROOT, chapters

__all__ = ["StagingError", "clean_notebook", "main", "stage"]

FRONT_PAGE = "front-page"  # the tag of the cell whose figure stands on the front page
WIDGET = "application/vnd.jupyter.widget-view+json"
STATE = ("widgets", "papermill")


class StagingError(RuntimeError):
    """An executed notebook is missing or failed."""


def clean_notebook(path: Path) -> str:
    """Text of an executed notebook without widgets and run records.

    Raises
    ------
    StagingError
        If the notebook is missing, holds an error output, or has a code cell that was not executed.
    """
    if not path.is_file():
        raise StagingError(f"{path} is missing: execute the chapter first, make chapter CHAPTER={path.stem}")
    notebook = nbformat.read(path, as_version=4)
    for key in STATE:
        notebook.metadata.pop(key, None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        if cell.source.strip() and cell.execution_count is None:
            raise StagingError(f"{path.name}: a cell was not executed: {cell.source.splitlines()[0]!r}")
        for output in cell.outputs:
            if output.output_type == "error":
                raise StagingError(f"{path.name}: a cell failed with {output.ename}: {output.evalue}")
        cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def stage(executed: Path, target: Path, root: Path = ROOT) -> list[Path]:
    """Write the mirror, and drop from it what is no longer part of the book.

    Parameters
    ----------
    executed : Path
        Folder of executed notebooks.
    target : Path
        Folder of the mirror. A file that is already right keeps its time, which keeps the build incremental.
    root : Path
        The repository.

    Returns
    -------
    list of Path
        The staged files.
    """
    notebooks = {name: clean_notebook(executed / f"{name}.ipynb") for name in chapters(root)}
    wanted: dict[Path, Path | str | bytes] = {Path(name): root / name for name in ("_config.yml", "_toc.yml")}
    for path in sorted((root / "book").rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts):
            wanted[path.relative_to(root)] = path
    wanted |= {Path("notebooks") / f"{name}.ipynb": text for name, text in notebooks.items()}
    wanted |= {Path("book") / "_static" / f"{FRONT_PAGE}.png": image for image in _front_page(notebooks.values())}
    for name, content in wanted.items():
        _place(content, target / name)
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(target) not in wanted:
            path.unlink()
    return [target / name for name in wanted]


def _front_page(notebooks: Iterable[str]) -> Iterator[bytes]:
    """The figure of the cell that is tagged for the front page, as PNG; none if no cell is."""
    for text in notebooks:
        for cell in nbformat.reads(text, as_version=4).cells:
            if FRONT_PAGE not in cell.metadata.get("tags", []):
                continue
            images = [output["data"]["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
            if len(images) != 1:
                raise StagingError(f"{FRONT_PAGE}: found {len(images)} figures, expected one")
            yield base64.b64decode(images[0])


def _place(content: Path | str | bytes, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        if not target.is_file() or not filecmp.cmp(content, target, shallow=False):
            shutil.copyfile(content, target)
        return
    written = content.encode() if isinstance(content, str) else content
    if not target.is_file() or target.read_bytes() != written:
        target.write_bytes(written)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: stage the book."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executed", type=Path, default=ROOT / "_build" / "executed" / "book")
    parser.add_argument("--stage", type=Path, default=ROOT / "_build" / "stage")
    options = parser.parse_args(arguments)
    try:
        stage(options.executed, options.stage)
    except StagingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Generate ``notebooks/NN.ipynb`` from ``notebooks/NN.py``, one way, byte for byte the same each time.

The ``.py`` (percent format) is the only edited source. A notebook that is already right is left untouched.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.project import ROOT

__all__ = ["generate", "main"]

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def generate(source: Path) -> str:
    """Text of the notebook that belongs to a percent-format script.

    Parameters
    ----------
    source : Path
        The ``.py``.

    Returns
    -------
    str
        JSON of the notebook: no outputs, cell ids derived from the cells' content, one fixed kernelspec.
    """
    script = jupytext.read(source, fmt="py:percent")
    seen: Counter[str] = Counter()
    cells = []
    for cell in script.cells:
        make = {
            "code": nbformat.v4.new_code_cell,
            "markdown": nbformat.v4.new_markdown_cell,
            "raw": nbformat.v4.new_raw_cell,
        }[cell.cell_type]
        content = f"{cell.cell_type}\0{cell.source}"
        identity = hashlib.sha256(f"{content}\0{seen[content]}".encode()).hexdigest()[:12]
        seen[content] += 1
        cells.append(make(cell.source, id=identity, metadata=cell.metadata))
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=METADATA)
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: regenerate, or with ``--check`` name each pair that differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="*", type=Path, help="scripts; default: notebooks/*.py")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a pair differs")
    options = parser.parse_args(arguments)
    folder = ROOT / "notebooks"
    sources = [path.with_suffix(".py") for path in options.sources] or sorted(folder.glob("*.py"))
    wrong = 0
    for source in sources:
        target = source.with_suffix(".ipynb")
        text = generate(source)
        if target.is_file() and target.read_text(encoding="utf-8") == text:
            continue
        if options.check:
            wrong += 1
            print(f"{target.name} is not what {source.name} gives: make sync", file=sys.stderr)
        else:
            target.write_text(text, encoding="utf-8")
            print(f"wrote {target}")
    if not options.sources:
        for orphan in sorted(folder.glob("*.ipynb")):
            if not orphan.with_suffix(".py").is_file():
                wrong += 1
                print(f"{orphan.name} has no {orphan.stem}.py beside it", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

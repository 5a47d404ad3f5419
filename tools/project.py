"""What every tool needs to know of the repository: its root, its chapters, its public address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

__all__ = ["ROOT", "chapters", "config", "documents"]

ROOT = Path(__file__).resolve().parent.parent


def config(root: Path = ROOT) -> dict[str, Any]:
    """Contents of ``_config.yml``."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))


def documents(root: Path = ROOT) -> list[str]:
    """Every page of ``_toc.yml`` in reading order, as a path without suffix."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *_files(toc.get("parts", [])), *_files(toc.get("chapters", []))]


def chapters(root: Path = ROOT) -> list[str]:
    """Names of the notebooks of ``_toc.yml`` in reading order, such as ``"01_data"``."""
    return [Path(name).name for name in documents(root) if name.startswith("notebooks/")]


def _files(entries: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    for entry in entries:
        if "file" in entry:
            found.append(entry["file"])
        found += _files(entry.get("chapters", [])) + _files(entry.get("sections", []))
    return found

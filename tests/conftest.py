"""Shared fixtures: one scratch project root, one execution of the chapters, one build of the pages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from helpers.survey import Sample

# Tests that run side by side would otherwise wait for each other's threads.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent
# What tests that need one of these share is made once, so they are for one process.
SHARED = {"executed": "book", "pages": "book", "mock_universe": "mock"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a file stay together, and so do those that share what takes minutes to make."""
    for item in items:
        shared = [SHARED[name] for name in getattr(item, "fixturenames", ()) if name in SHARED]
        item.add_marker(pytest.mark.xdist_group(shared[0] if shared else item.path.name))


@dataclass
class ChapterExecutions:
    """The chapters executed at profile ``smoke``, in order, and what stopped the first that failed."""

    folder: Path
    failures: dict[str, str] = field(default_factory=dict)

    def notebook(self, chapter: str) -> Path:
        """Executed notebook of a chapter; fails the calling test when the chapter failed."""
        if chapter in self.failures:
            pytest.fail(self.failures[chapter], pytrace=False)
        return self.folder / f"{chapter}.ipynb"


@pytest.fixture(scope="session", autouse=True)
def anatomy_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project root of the tests' own, so that no test reads or writes the reader's runs and caches.

    Computed samples are kept for the session, and for all its processes: each is made once.
    """
    home = tmp_path_factory.mktemp("anatomy")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    (shared / "samples").mkdir(exist_ok=True)
    (home / "data").mkdir()
    (home / "data" / "cache").symlink_to(shared / "samples")
    before = os.environ.get("ANATOMY_HOME")
    os.environ["ANATOMY_HOME"] = str(home)
    yield home
    if before is None:
        del os.environ["ANATOMY_HOME"]
    else:
        os.environ["ANATOMY_HOME"] = before


@pytest.fixture(scope="session")
def data_cache(anatomy_home: Path) -> Path:
    """Folder in which the session keeps computed samples."""
    return anatomy_home / "data" / "cache"


@pytest.fixture(scope="session")
def mock_universe(data_cache: Path) -> Sample:
    """The mock of the default size, made once: a minute or two on two cores."""
    from helpers.survey import load_sample

    return load_sample("mock", 6000, 0, cache_dir=data_cache)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real survey data, where this machine has one beside the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real survey data: there is no folder shared/data beside the repository")
    return folder


@pytest.fixture(scope="session")
def executed(anatomy_home: Path, tmp_path_factory: pytest.TempPathFactory) -> ChapterExecutions:
    """Every chapter executed once, in order, at profile ``smoke``, the networks of chapter 2 trained by workers."""
    import papermill
    import yaml
    from nbclient.exceptions import DeadKernelError

    from tools.execute import execute
    from tools.project import chapters

    values = yaml.safe_load((ROOT / "notebooks" / "profiles" / "smoke.yaml").read_text(encoding="utf-8"))
    found = ChapterExecutions(tmp_path_factory.mktemp("executed"))
    for name in chapters():
        own = values | {"scheduler": "local" if name.startswith("02") else ""}
        try:
            execute(ROOT / "notebooks" / f"{name}.ipynb", found.folder / f"{name}.ipynb", own)
        except (papermill.PapermillExecutionError, DeadKernelError, ValueError, FileNotFoundError) as error:
            found.failures[name] = f"{name}: {error}"
    return found


@pytest.fixture(scope="session")
def pages(executed: ChapterExecutions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the built pages: staged and built once, warnings as errors, from the executed chapters."""
    from tools.build import build
    from tools.stage import stage

    if executed.failures:
        pytest.skip(f"no pages without {', '.join(executed.failures)}, which failed: see tests/notebooks")
    work = tmp_path_factory.mktemp("pages")
    stage(executed.folder, work / "stage")
    return build(work / "stage", work / "book").parent


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Path of a Chromium on this machine. An automatic check without one fails: it would pass pages nobody saw."""
    from tools.pdf import BROWSERS, browser_path

    if path := browser_path():
        return path
    absent = f"no browser: none of {', '.join(BROWSERS)} is on this machine"
    if os.environ.get("CI"):
        pytest.fail(absent, pytrace=False)
    pytest.skip(absent)

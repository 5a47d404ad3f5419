"""Files that say the same thing in two places agree."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.runs import file_sha256
from tools.project import ROOT, config, documents

# Names under which conda-forge has what the constraints call otherwise.
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
CITATION = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
TERM = re.compile(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins() -> dict[str, str]:
    lines = [line.split("#")[0].strip() for line in read("constraints.txt").splitlines()]
    pairs = [line.split("==") for line in lines if line]
    assert all(len(pair) == 2 for pair in pairs), "constraints.txt: every line is name==version"
    return {canonicalize_name(name): version for name, version in pairs}


def project() -> dict:
    return tomllib.loads(read("pyproject.toml"))["project"]


def direct_requirements() -> list[Requirement]:
    extras = project()["optional-dependencies"].values()
    return [Requirement(line) for line in [*project()["dependencies"], *(line for extra in extras for line in extra)]]


def sources() -> list[Path]:
    return [*sorted((ROOT / "book").glob("*.md")), *sorted((ROOT / "notebooks").glob("*.py"))]


def test_every_direct_requirement_is_pinned_within_its_own_limits() -> None:
    pinned = pins()
    for requirement in direct_requirements():
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_every_library_that_is_installed_for_the_book_is_pinned() -> None:
    """Follow what is installed from the direct requirements down; each is at its pinned version."""
    pinned, seen = pins(), set()
    todo = [(requirement, ()) for requirement in direct_requirements()]
    while todo:
        requirement, extras = todo.pop()
        name = canonicalize_name(requirement.name)
        active = requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)
        )
        key = (name, tuple(sorted(requirement.extras)))
        if not active or key in seen:
            continue
        seen.add(key)
        if name.startswith(("nvidia-", "cuda-", "triton")):  # parts of a CUDA build of torch, which pins them
            continue
        version = metadata.version(name).split("+")[0]
        assert pinned.get(name) == version, f"{name} {version} is installed, constraints.txt has {pinned.get(name)}"
        todo += [(Requirement(line), key[1]) for line in metadata.requires(name) or []]
    assert len(seen) > 100


def test_binder_environment_has_the_pinned_versions() -> None:
    entries = yaml.safe_load(read("environment.yml"))["dependencies"]
    packages = [entry for entry in entries if isinstance(entry, str)]
    (pip_lines,) = [entry["pip"] for entry in entries if isinstance(entry, dict)]
    pinned = pins()
    versions = dict(entry.split("=")[:2] for entry in packages if "=" in entry)
    assert versions.pop("python") in {"3.11", "3.12"}
    for name, version in versions.items():
        assert pinned[CONDA_NAMES.get(name, name)] == version, name
    assert next(entry for entry in packages if entry.startswith("pytorch=")).endswith("=cpu*")
    assert pip_lines == ["-c constraints.txt", "-e .[book]"], "the rest comes at the versions of constraints.txt"


def test_contents_list_every_page_and_no_other() -> None:
    pages = documents()
    assert len(set(pages)) == len(pages)
    written = {f"book/{path.stem}" for path in (ROOT / "book").glob("*.md")}
    assert written == {page for page in pages if page.startswith("book/")}


def test_no_page_has_the_stem_of_a_notebook() -> None:
    assert not list((ROOT / "notebooks").glob("*.md"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.name)
def test_citations_and_terms_resolve(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":  # a citation may be wrapped over two lines of a comment
        text = re.sub(r"\n# ?", "\n", text)
    known = set(re.findall(r"^@\w+\{([^,\s]+),", read("book/references.bib"), flags=re.MULTILINE))
    cited = {key.strip() for group in CITATION.findall(text) for key in group.split(",")}
    assert cited <= known
    glossary = read("book/glossary.md")
    body = glossary[glossary.index("{glossary}") :]
    terms = {line.strip().lower() for line in body.splitlines() if line.strip() and not line.startswith((" ", ":"))}
    used = {" ".join(term.split()).lower() for term in TERM.findall(text)}
    assert used <= terms


def test_public_address_is_the_one_of_the_configuration() -> None:
    address = config()["repository"]["url"]
    owner, name = address.removeprefix("https://github.com/").split("/")
    pages = f"https://{owner}.github.io/{name}/"
    assert config()["html"]["baseurl"] == pages
    assert project()["urls"] == {"Repository": address, "Documentation": pages}
    citation = yaml.safe_load(read("CITATION.cff"))
    assert (citation["repository-code"], citation["url"]) == (address, pages)
    branch = config()["repository"]["branch"]
    assert f"https://mybinder.org/v2/gh/{owner}/{name}/{branch}?" in read("README.md")
    assert f"https://colab.research.google.com/github/{owner}/{name}/blob/{branch}/" in read("README.md")
    for path in [ROOT / "README.md", *sources()]:
        for link in re.findall(rf"github\.com/{owner}/[\w.-]+", path.read_text(encoding="utf-8")):
            assert link.removesuffix(".git").rstrip(".") == f"github.com/{owner}/{name}", path.name


def test_version_is_the_same_everywhere() -> None:
    import helpers

    assert helpers.__version__ == project()["version"] == yaml.safe_load(read("CITATION.cff"))["version"]


def test_data_manifest_has_the_checksum_of_the_library() -> None:
    from helpers.survey import sources as data_sources

    manifest = yaml.safe_load(read("data/MANIFEST.yaml"))
    assert manifest["sdss-mini"]["sha256"] == data_sources.MINI_SHA256
    assert manifest["sdss-mini"]["package"] == f"kcorrect=={pins()['kcorrect']}"
    for name, entry in manifest.items():
        assert {"origin", "query", "licence", "sha256"} <= entry.keys(), name
    stored = [entry for entry in manifest.values() if entry["file"].startswith("src/")]
    assert {ROOT / entry["file"] for entry in stored} == set((ROOT / "src" / "helpers" / "stored").glob("*.json"))
    for entry in stored:
        assert entry["sha256"] == file_sha256(ROOT / entry["file"]), entry["file"]


def test_page_on_the_data_tells_of_every_column_and_survey() -> None:
    from helpers.bands import SURVEYS
    from helpers.survey.sdss import origin_table

    lines = [line for line in read("book/data_and_licences.md").splitlines() if line.startswith("| ")]
    written = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines}
    for row in origin_table().itertuples():
        unit, place, note = written[f"`{row.column}`"]
        assert (unit, note) == (row.unit, row.note), row.column
        name = row.expression.partition(".")[2]
        renamed = f", as `{name}`" if name not in ("", row.column) else ""
        assert place == f"{row.service}: {row.table}{renamed}".removesuffix(": "), row.column
    for name, survey in SURVEYS.items():
        bands, columns, kind, scale, extinction = written[name]
        assert bands == ", ".join(f"{band.name}\N{NO-BREAK SPACE}{band.wavelength:.3g}" for band in survey.bands), name
        for band in survey.bands:
            assert {f"`{band.magnitude}`", f"`{band.magnitude.removesuffix(band.name)}b`"} & set(columns.split(", "))
        assert (kind, scale) == (f"{survey.kind}, {survey.system}", f"{survey.pixel_scale or '':}"), name
        assert extinction == ", ".join(f"{band.extinction:g}" for band in survey.bands), name

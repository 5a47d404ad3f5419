"""A run: the parameters, the artifacts and the headline numbers of one execution of the book.

A run is a folder, ``runs/<name>/``, with one folder per chapter. Every artifact lies beside a sidecar,
``<artifact>.json``, that records how it was made: the run's parameters, a fingerprint of the code that
made it, the artifacts it was made from and its own sha256. An artifact is handed out only when all of that
still holds, so a chapter re-executed alone never mixes two runs. The versions of the libraries are recorded
too, for the reader; they are not compared.
"""

from __future__ import annotations

import ast
import errno
import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import yaml

__all__ = [
    "BUNDLE",
    "WRITE_FAULTS",
    "ArtifactError",
    "Run",
    "atomic_path",
    "cache_directory",
    "config_from",
    "file_sha256",
    "library_fingerprint",
    "open_run",
    "profile_settings",
    "project_root",
    "sidecar",
    "stored_result",
]

Config = TypeVar("Config")

# What keeps a file from being written, and says nothing of one that is read.
WRITE_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)

BUNDLE = Path("data", "bundle")

PROFILES = ("smoke", "book", "full", "paper")

# What each chapter's artifacts are computed with: a change in one of these makes them stale.
ROOMS: dict[str, tuple[str, ...]] = {
    "01_data": ("survey", "bands.py", "inputs.py"),
    "02_contrastive_training": ("survey", "bands.py", "inputs.py", "contrastive", "star_formation.py"),
    "03_knn_estimation": ("neighbours",),
    "04_causal_discovery": ("survey", "bands.py", "inputs.py", "neighbours", "causal"),
    "05_information_decomposition": (
        "survey",
        "bands.py",
        "inputs.py",
        "contrastive",
        "information",
        "star_formation.py",
    ),
    "06_findings": ("findings.py",),
    "07_known_truths": ("survey", "inputs.py", "neighbours", "causal", "contrastive", "information", "findings.py"),
    "90_mock_universe": ("survey", "bands.py", "inputs.py"),
    "91_scale": ("survey", "inputs.py", "contrastive", "information"),
}

# The blocks of the profile that each chapter's artifacts depend on.
SETTINGS: dict[str, tuple[str, ...]] = {
    "01_data": ("mock",),
    "02_contrastive_training": ("contrastive", "contrastive_images", "boosting", "mock"),
    "03_knn_estimation": ("neighbours",),
    "04_causal_discovery": ("causal",),
    "05_information_decomposition": (
        "information",
        "information_images",
        "information_amortised",
        "decomposition",
        "boosting",
        "mock",
    ),
    "06_findings": (),
    "07_known_truths": ("truths", "information"),
    "90_mock_universe": ("mock",),
    "91_scale": (),
}

VERSIONS = (
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "torch",
    "kcorrect",
    "causal-learn",
    "dit",
    "faiss-cpu",
    "galsim",
)


class ArtifactError(RuntimeError):
    """A stored result that a chapter needs is missing, half written, or was made otherwise than this run says."""


def project_root(start: str | os.PathLike[str] | None = None) -> Path:
    """Folder that holds ``runs/`` and ``data/``.

    The environment variable ``ANATOMY_HOME`` wins; else the nearest folder above `start` (default: the
    working directory) that holds the book's ``_toc.yml``; else the working directory, as in Colab.
    """
    home = os.environ.get("ANATOMY_HOME")
    if home:
        return Path(home).expanduser().resolve()
    here = Path(start or Path.cwd()).resolve()
    return _book_above(here) or here


def _book_above(here: Path) -> Path | None:
    """The nearest folder from here upwards that holds the book."""
    return next((folder for folder in (here, *here.parents) if (folder / "_toc.yml").is_file()), None)


def cache_directory(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Folder for downloads and computed samples: `data_dir` when it is given, else ``data/cache`` of the project."""
    return Path(data_dir).expanduser() if data_dir else project_root() / "data" / "cache"


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `target`; rename it to `target` on success, delete it on failure.

    The rename is atomic, so a reader, or a process killed at any moment, meets either the old file or the
    new one and never half of one.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # a temporary file is private, a result is not
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@cache
def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def profile_settings(profile: str) -> dict[str, dict[str, Any]]:
    """Settings of a profile, by room: the contents of ``helpers/profiles/<profile>.yaml``.

    Raises
    ------
    ValueError
        If there is no such profile.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile: found {profile!r}, expected one of {', '.join(PROFILES)}")
    with open(Path(__file__).parent / "profiles" / f"{profile}.yaml", encoding="utf-8") as stream:
        return yaml.safe_load(stream)


def config_from(config: type[Config], settings: Mapping[str, Any], **overrides: Any) -> Config:
    """Fill a frozen dataclass from a profile's settings, then from `overrides`.

    Lists become tuples. An unknown key or a value of another type than the default's is refused.

    Raises
    ------
    ValueError
        If a key is not a field of `config`, or a value's type differs from that of the field's default.
    """
    defaults = config()
    values: dict[str, Any] = {}
    for key, value in {**settings, **overrides}.items():
        if key not in vars(defaults):
            known = ", ".join(sorted(vars(defaults)))
            raise ValueError(f"{config.__name__}: unknown setting {key!r}, expected one of {known}")
        value = tuple(value) if isinstance(value, list) else value
        expected = type(getattr(defaults, key))
        if expected is float and type(value) is int:
            value = float(value)
        if expected is not type(None) and type(value) is not expected:
            raise ValueError(
                f"{config.__name__}.{key}: found {value!r} of type {type(value).__name__}, expected {expected.__name__}"
            )
        values[key] = value
    return config(**values)


def stored_result(name: str) -> dict[str, Any]:
    """A result that took too long to compute for every reader, kept with the library and with its provenance.

    Parameters
    ----------
    name : str
        Such as ``"contrastive_study.json"``.

    Returns
    -------
    dict
        With ``provenance``: commit, date, machine, time and settings.

    Raises
    ------
    ArtifactError
        If there is no such result, with the command that makes it.
    """
    path = Path(__file__).parent / "stored" / name
    if not path.is_file():
        raise ArtifactError(f"stored result {name!r} is not there; `make help` names what computes it, in hours")
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def library_fingerprint(room: str) -> str:
    """Hash of the code of one room, a folder or module of this library, without comments and docstrings."""
    library = Path(__file__).parent
    files = sorted((library / room).rglob("*.py")) if (library / room).is_dir() else [library / room]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + _code_of(file.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]


@cache
def _code_fingerprint(chapter: str, profile: str, notebooks: Path) -> str:
    """Hash of what makes the chapter's artifacts: its rooms' syntax trees, its settings, its notebook's code.

    Comments, docstrings and prose do not count, so that mending a sentence does not make a run stale.
    """
    digest = hashlib.sha256()
    for room in ROOMS[chapter]:
        digest.update(library_fingerprint(room).encode())
    settings = profile_settings(profile)
    digest.update(json.dumps({block: settings[block] for block in SETTINGS[chapter]}, sort_keys=True).encode())
    notebook = notebooks / f"{chapter}.ipynb"
    if notebook.is_file():
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        for cell in cells:
            # Parameters are compared by name and value; saving a notebook with others in it changes no code.
            if cell["cell_type"] == "code" and "parameters" not in cell["metadata"].get("tags", []):
                digest.update(_code_of("".join(cell["source"])).encode())
    return digest.hexdigest()[:16]


def _code_of(source: str) -> str:
    """Syntax tree of `source` without docstrings, as text; what does not parse is taken as it stands."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return source
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return json.dumps(_tree_of(tree))


def _tree_of(node: Any) -> Any:
    """A syntax tree as lists, without what is empty: releases of Python differ in which empty fields they know."""
    if isinstance(node, ast.AST):
        fields = [[name, _tree_of(value)] for name, value in ast.iter_fields(node) if value not in (None, [])]
        return [type(node).__name__, *fields]
    return [_tree_of(part) for part in node] if isinstance(node, list) else repr(node)


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _write_table(frame: pd.DataFrame, path: Path) -> None:
    # Bytes of equal rank side by side, a third smaller for numbers of which no two are alike.
    numbers = [str(name) for name, kind in frame.dtypes.items() if kind.kind == "f"]
    others = [str(name) for name in frame.columns if str(name) not in numbers]
    frame.to_parquet(path, compression="zstd", use_dictionary=others, use_byte_stream_split=numbers)


def _write_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    objects = [name for name, array in arrays.items() if np.asarray(array).dtype == object]
    if objects:
        raise ValueError(f"arrays: {objects[0]!r} holds Python objects, expected numbers or text")
    with open(path, "wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def _write_json(values: Any, path: Path) -> None:
    path.write_text(json.dumps(_plain(values), indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """Values as JSON has them: numpy scalars and arrays become numbers and lists, and what is not finite null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError(f"results: cannot store a value of type {type(value).__name__} as JSON")


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _write_weights(packed: tuple[dict[str, np.ndarray], dict[str, str]], path: Path) -> None:
    from safetensors.numpy import save_file

    arrays, texts = packed
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path, metadata=texts)


def _read_weights(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as stream:
        return {name: stream.get_tensor(name) for name in stream.keys()}, dict(stream.metadata() or {})  # noqa: SIM118


_FORMATS: dict[str, tuple[Callable[[Any, Path], None], Callable[[Path], Any]]] = {
    ".parquet": (_write_table, pd.read_parquet),
    ".npz": (_write_arrays, _read_arrays),
    ".safetensors": (_write_weights, _read_weights),
    ".json": (_write_json, lambda path: json.loads(path.read_text(encoding="utf-8"))),
}


@dataclass
class Run:
    """A run as one chapter sees it: it reads any chapter's artifacts and writes its own.

    Attributes
    ----------
    directory : Path
        ``runs/<name>``.
    chapter : str
        The chapter that is running, such as ``"02_contrastive_training"``.
    parameters : dict
        What the whole run shares: data set, number of galaxies, profile, seed.
    code : str
        Fingerprint of the chapter's code, taken when the run was opened: later edits do not count.
    read : dict
        Checksums of the artifacts read so far.
    bundled : Path
        Folder of the run of this name that comes with the book; there may be none.
    """

    directory: Path
    chapter: str
    parameters: dict[str, Any]
    code: str = field(init=False)
    read: dict[str, str] = field(default_factory=dict)
    bundled: Path = field(init=False, repr=False)
    _told: set[str] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        self.code = self._fingerprint(self.chapter)
        self.bundled = _bundle(self.directory.parent.parent) / "runs" / self.directory.name

    def path(self, name: str) -> Path:
        """Path of this chapter's own artifact `name`."""
        return self.directory / self.chapter / name

    def scratch(self, name: str) -> Path:
        """Folder for what a killed computation resumes from, such as the checkpoints of a training."""
        folder = self.directory / self.chapter / "scratch" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def save(self, name: str, value: Any) -> Path:
        """Write `value` as this chapter's artifact `name`, atomically, with its sidecar.

        Parameters
        ----------
        name : str
            File name; its suffix chooses the format: ``.parquet`` for a DataFrame, ``.npz`` for a mapping of
            arrays, ``.safetensors`` for a pair of weights and texts, ``.json`` for plain values.
        value : what the suffix says

        Returns
        -------
        Path
            Of the artifact.

        Raises
        ------
        ValueError
            If the suffix has no format.
        """
        suffix = Path(name).suffix
        if suffix not in _FORMATS or Path(name).name != name:
            raise ValueError(
                f"name: found {name!r}, expected a plain file name with a suffix among {', '.join(_FORMATS)}"
            )
        target = self.path(name)
        with atomic_path(target) as temporary:
            _FORMATS[suffix][0](value, temporary)
        # The sidecar comes second: killed in between, the old sidecar's checksum no longer fits and
        # the artifact counts as missing.
        with atomic_path(sidecar(target)) as temporary:
            _write_json(
                {
                    "chapter": self.chapter,
                    "parameters": self.parameters,
                    "code": self.code,
                    "inputs": self.read,
                    "sha256": file_sha256(target),
                    "versions": _versions(),
                },
                temporary,
            )
        return target

    def save_results(self, results: Mapping[str, Any]) -> Path:
        """Write this chapter's headline numbers, ``results.json``."""
        return self.save("results.json", dict(results))

    def load(self, name: str) -> Any:
        """Read an artifact, refusing one that is missing, half written or stale.

        If the run has nothing from that chapter, the artifact is read from the bundle that comes with the book. Code
        that has changed since is then reported and no reason to refuse.

        Parameters
        ----------
        name : str
            ``"<chapter>/<file>"``, such as ``"01_data/catalog.parquet"``.

        Returns
        -------
        object
            What `save` was given.

        Raises
        ------
        ArtifactError
            Naming the artifact, what is wrong with it, the chapter that makes it and the command to run.
        """
        chapter, _, file = name.partition("/")
        if chapter not in ROOMS or Path(file).name != file or Path(file).suffix not in _FORMATS:
            raise ValueError(
                f"name: found {name!r}, expected '<chapter>/<file>' with a chapter among {', '.join(ROOMS)}"
            )
        self.read[name] = self.check(name)
        target = self._place(name)
        if target.is_relative_to(self.bundled):
            self._tell(f"what this run has not computed is read from {BUNDLE}, {_origin(self.bundled.parent.parent)}")
        return _FORMATS[target.suffix][1](target)

    def _tell(self, words: str) -> None:
        """Say something to the reader, once."""
        if words not in self._told:
            print(words)
            self._told.add(words)

    def _place(self, name: str) -> Path:
        """Where an artifact lies: in the run or, if the run has nothing of that chapter, in the bundle."""
        own, bundled = self.directory / name, self.bundled / name
        begun = own.parent.is_dir() and any(file.is_file() for file in own.parent.iterdir())
        return bundled if bundled.is_file() and not begun else own

    def check(self, name: str) -> str:
        """SHA-256 of an artifact that `load` would read.

        Raises
        ------
        ArtifactError
            As `load`.
        """
        target = self._place(name)
        if not target.is_file() or not sidecar(target).is_file():
            raise self._refusal(name, "it does not exist")
        try:
            record = json.loads(sidecar(target).read_text(encoding="utf-8"))
            record = {key: record[key] for key in ("chapter", "parameters", "code", "inputs", "sha256")}
        except (json.JSONDecodeError, KeyError, TypeError):
            raise self._refusal(name, "the record beside it is damaged") from None
        if file_sha256(target) != record["sha256"]:
            raise self._refusal(name, "its checksum is not the one recorded: writing it was cut off, or it was edited")
        for key in sorted(self.parameters.keys() | record["parameters"].keys()):
            here, there = self.parameters.get(key), record["parameters"].get(key)
            if here != there:
                raise self._refusal(name, f"it was made with {key}={there!r}, and this run has {key}={here!r}")
        changed = record["code"] != self._fingerprint(record["chapter"])
        if changed and target.is_relative_to(self.bundled):
            self._tell(f"the code of {record['chapter']} has changed since the bundle was made")
        elif changed:
            rooms = ", ".join(ROOMS[record["chapter"]])
            raise self._refusal(
                name, f"the code that made it has changed since (helpers: {rooms}; its settings; or its notebook)"
            )
        for source, sha256 in record["inputs"].items():
            current = self.check(source)
            if current != sha256:
                raise self._refusal(name, f"it was made from another version of {source}")
        return record["sha256"]

    def _fingerprint(self, chapter: str) -> str:
        return _code_fingerprint(
            chapter, self.parameters.get("profile", "book"), _notebook_folder(self.directory.parent.parent)
        )

    def _refusal(self, name: str, why: str) -> ArtifactError:
        chapter = name.partition("/")[0]
        return ArtifactError(
            f"Chapter {self.chapter} needs {name} of run {self.directory.name!r}, but {why}.\n"
            f"Chapter {chapter} makes it. Run:\n"
            f"    make chapter CHAPTER={chapter} PROFILE={self.directory.name}\n"
            f"or execute notebooks/{chapter}.ipynb with the same parameters as this chapter."
        )


def _notebook_folder(root: Path) -> Path:
    """Folder of the chapters: the working directory, where they execute, or the project's."""
    return Path.cwd() if any(Path.cwd().glob("01_*.ipynb")) else root / "notebooks"


def sidecar(path: Path) -> Path:
    """The record beside an artifact."""
    return path.with_name(path.name + ".json") if path.suffix != ".json" else path.with_suffix(".meta.json")


def _bundle(root: Path) -> Path:
    """Folder of the bundle: below the root of the runs or, where these are kept elsewhere, below that of the book."""
    book = _book_above(Path.cwd()) or root
    return (root if (root / BUNDLE).is_dir() else book) / BUNDLE


def _origin(bundle: Path) -> str:
    """Commit and day of a bundle, in words."""
    try:
        record = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
        return f"made at commit {record['commit']} on {record['date']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "which does not say where it comes from"


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def open_run(
    name: str,
    *,
    chapter: str,
    parameters: Mapping[str, Any],
    root: str | os.PathLike[str] | None = None,
) -> Run:
    """Open, and if need be create, the folder of a run for one chapter.

    Parameters
    ----------
    name : str
        Name of the run: letters, digits, ``-``, ``_`` and ``.``.
    chapter : str
        The chapter that is running, such as ``"02_contrastive_training"``.
    parameters : mapping
        What all chapters of the run share: at least ``dataset``, ``profile``, ``seed``, ``n_galaxies``.
    root : path, optional
        Folder that holds ``runs/``. Default: what the variable ``ANATOMY_HOME`` says, else the book's folder, else the
        working directory.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If the name, the chapter or the profile is not a known one.
    """
    if not name or not all(letter.isalnum() or letter in "-_." for letter in name) or name.startswith("."):
        raise ValueError(f"run: found {name!r}, expected a name of letters, digits, '-', '_' and '.'")
    if chapter not in ROOMS:
        raise ValueError(f"chapter: found {chapter!r}, expected one of {', '.join(ROOMS)}")
    profile_settings(parameters.get("profile", "book"))
    directory = Path(root or project_root()) / "runs" / name
    (directory / chapter).mkdir(parents=True, exist_ok=True)
    return Run(directory, chapter, _plain(parameters))

"""Where a grid is computed: processes of this computer, a scheduler that runs already, or a batch system."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import dask
from distributed import Client, LocalCluster, Nanny, Worker, WorkerPlugin

from helpers.checks import is_whole
from helpers.cores import available_cores

__all__ = ["dashboard_link", "has_gpu", "open_client", "visible_gpus"]

BATCH_SYSTEMS = {"slurm": "SLURMCluster", "pbs": "PBSCluster"}
# A worker has one thread: two libraries that each use all cores are slower than one after the other.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# A worker is given the one task that it can begin, so that the most urgent of the others is still to be chosen.
ONE_TASK = {"distributed.scheduler.worker-saturation": 1.0}
# Dask would have workers hand memory back at once and look where they are a hundred times a second: a quarter of the
# time of numpy on arrays of a megabyte, and a twentieth of any.
UNHINDERED: dict[str, Any] = {
    "distributed.nanny.pre-spawn-environ": {**ONE_THREAD, "MALLOC_TRIM_THRESHOLD_": None},
    "distributed.worker.profile.enabled": False,
}


@contextmanager
def open_client(
    scheduler: str | None = None,
    *,
    n_workers: int | None = None,
    memory_limit: str | int | None = "auto",
    gpus: bool = True,
    per_gpu: int = 1,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Client]:
    """Give a client of dask.distributed, and close what was started for it.

    The page on which dask shows what its workers do needs the package bokeh, which comes with the extra ``cluster``.

    Parameters
    ----------
    scheduler : str, optional
        Default, or ``"local"``: worker processes on this computer, of one thread each. ``"tcp://host:port"``: a
        scheduler that runs already, and is left running. ``"slurm"`` or ``"pbs"``: jobs of a batch system, by
        dask-jobqueue.
    n_workers : int, optional
        On this computer by default `per_gpu` for each GPU or, without any, for each core. Of a batch system the number
        has to be said.
    memory_limit : str, int or None, default "auto"
        Bytes or text such as ``"4GB"``, on this computer: a worker beyond it is killed, and its task begun elsewhere.
        ``"auto"`` divides the memory evenly, None sets no limit.
    gpus : bool, default True
        Whether workers on this computer see its GPUs: one each. Those beyond the number of GPUs see none.
    per_gpu : int, default 1
        Workers on this computer that share a GPU: small networks leave one idle for most of a step.
    options : mapping, optional
        Of the batch system, as `dask_jobqueue.SLURMCluster` and `dask_jobqueue.PBSCluster` have them: ``memory``,
        ``queue``, ``walltime``, ``job_extra_directives``. ``cores`` is 1 by default, as many tasks at a time as a
        worker has; ``job_cpu`` reserves more. A worker with a GPU says so by
        ``worker_extra_args=["--resources", "GPU=1"]``.

    Yields
    ------
    distributed.Client

    Raises
    ------
    ValueError
        If there is no such scheduler, dask-jobqueue is missing, or an argument does not go with the scheduler.
    """
    if n_workers is not None and (not is_whole(n_workers) or n_workers < 1):
        raise ValueError(f"n_workers: found {n_workers!r}, expected a positive whole number")
    if not is_whole(per_gpu) or per_gpu < 1:
        raise ValueError(f"per_gpu: found {per_gpu!r}, expected a positive whole number")
    given = {
        "n_workers": n_workers,
        "memory_limit": None if memory_limit == "auto" else memory_limit,
        "per_gpu": None if per_gpu == 1 else per_gpu,
        "options": options,
    }
    if scheduler in (None, "local"):
        _refuse(given, "options", scheduler)
        devices = [device for device in visible_gpus() for _ in range(per_gpu)] if gpus else []
        with _local_cluster(n_workers, memory_limit, devices) as cluster, _client(cluster) as one:
            yield one
    elif scheduler in BATCH_SYSTEMS:
        for name in ("memory_limit", "per_gpu"):
            _refuse(given, name, scheduler)
        if n_workers is None:
            raise ValueError(f"n_workers: found None, expected how many workers {scheduler!r} is asked for")
        with _batch_cluster(scheduler, n_workers, options or {}) as cluster, _client(cluster) as one:
            yield one
    elif scheduler.startswith("tcp://"):
        for name in given:
            _refuse(given, name, scheduler)
        with Client(scheduler, set_as_default=False) as one:
            yield one
    else:
        known = ", ".join(repr(name) for name in BATCH_SYSTEMS)
        raise ValueError(f"scheduler: found {scheduler!r}, expected 'local', an address 'tcp://host:port' or {known}")


def _refuse(given: Mapping[str, Any], name: str, scheduler: str | None) -> None:
    if given[name] is not None:
        raise ValueError(f"{name}: found {given[name]!r}, expected none for scheduler={scheduler!r}")


def visible_gpus() -> tuple[str, ...]:
    """GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    import torch

    count = torch.cuda.device_count()
    listed = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = listed.split(",") if listed else [str(number) for number in range(count)]
    return tuple(names[:count])


def has_gpu(client: Client) -> bool:
    """Whether a worker has a GPU to give."""
    return any("GPU" in worker["resources"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())


def dashboard_link(client: Client) -> str | None:
    """Address of the page that shows what the workers do; None where bokeh, which draws it, is missing."""
    return client.dashboard_link if find_spec("bokeh") else None


class _OneGpuWorker(Nanny):
    """Worker process that sees the GPU of its own number and no other, or none.

    Parameters
    ----------
    name : int
    devices : sequence of str
    """

    def __init__(self, *arguments: Any, name: int, devices: Sequence[str], **options: Any) -> None:
        own = devices[name : name + 1]
        options |= {"name": name, "env": {"CUDA_VISIBLE_DEVICES": ",".join(own)}}
        super().__init__(*arguments, **options | {"resources": {"GPU": 1} if own else {}})


class _FinishesItsTask(WorkerPlugin):
    """Ctrl-C reaches every process of a terminal; it is for the one that has the grid to say what ends."""

    name = "finishes-its-task"

    def setup(self, worker: Worker) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _local_cluster(
    n_workers: int | None, memory_limit: str | int | None, devices: Sequence[str]
) -> Iterator[LocalCluster]:
    """Processes of this computer, spawned: one forked while torch holds its threads may never end."""
    count = n_workers or len(devices) or available_cores()
    settings = ONE_TASK | UNHINDERED | {"distributed.worker.multiprocessing-method": "spawn"}
    # The method is looked up again whenever a worker that was killed is replaced.
    with _environment(ONE_THREAD), dask.config.set(settings):
        cluster = LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            memory_limit=memory_limit,
            worker_class=_OneGpuWorker,
            devices=tuple(devices),
            dashboard_address="127.0.0.1:0",
            silence_logs="CRITICAL",  # a task that failed is reported, with its traceback
        )
        with cluster:
            yield cluster


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables that child processes begin with, and undo it."""
    # The last is of dask, which sets it in this process for its children.
    before = {name: os.environ.get(name) for name in (*values, "PYTHONHASHSEED")}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _batch_cluster(scheduler: str, n_workers: int, options: Mapping[str, Any]) -> Iterator[Any]:
    """Jobs of a batch system, each a worker."""
    try:
        import dask_jobqueue
    except ImportError:
        raise ValueError(
            f"scheduler: {scheduler!r} needs dask-jobqueue, which is not installed: "
            "pip install 'galaxy-mass-anatomy[cluster]'"
        ) from None
    variables = ONE_THREAD | {_variable(setting): str(value) for setting, value in UNHINDERED.items()}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    of_site = dask.config.get(f"jobqueue.{scheduler}.job-script-prologue", None) or []
    prologue = [*exports, *of_site, *options.get("job_script_prologue", [])]
    with dask.config.set(ONE_TASK):
        cluster = getattr(dask_jobqueue, BATCH_SYSTEMS[scheduler])(
            **{"cores": 1, "processes": 1, **options, "job_script_prologue": prologue}
        )
        with cluster:
            cluster.scale(n_workers)
            yield cluster


def _variable(setting: str) -> str:
    """Environment variable by which a process gets one of dask's settings."""
    return "DASK_" + setting.replace(".", "__").replace("-", "_").upper()


@contextmanager
def _client(cluster: Any) -> Iterator[Client]:
    with Client(cluster, set_as_default=False) as client:
        client.register_plugin(_FinishesItsTask())
        yield client

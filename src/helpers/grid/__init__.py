"""Many independent pieces of work on the cores of this computer, or on many computers, by dask.distributed.

A `Task` says what is to be computed. `run_grid` computes those that have no result yet and keeps every result as soon
as it is there, so that what was killed goes on where it stopped. `map_chunks` does the rows of one large catalogue.
What the chapters do is in modules of their own, `helpers.grid.catalogues` and `helpers.grid.models`, which a worker
that does other work need not read.
"""

from helpers.grid.chunks import map_chunks
from helpers.grid.clients import open_client
from helpers.grid.report import GridError, GridReport, Outcome
from helpers.grid.running import run_grid
from helpers.grid.tasks import Task

__all__ = ["GridError", "GridReport", "Outcome", "Task", "map_chunks", "open_client", "run_grid"]

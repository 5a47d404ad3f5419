"""Many independent pieces of work on the cores of this computer, or on many computers, by dask.distributed.

A `Task` says what is to be computed. `run_grid` computes those that have no result yet and keeps every result as soon
as it is there, so that what was killed goes on where it stopped. `map_chunks` does the rows of one large catalogue, and
`nearest_neighbours_in_chunks` and `local_test_in_chunks` what chapters 3 and 4 do; `train_models` and `fit_pairs` train
the networks of chapters 2 and 5.
"""

from helpers.grid.catalogues import local_test_in_chunks, nearest_neighbours_in_chunks
from helpers.grid.chunks import map_chunks
from helpers.grid.clients import open_client
from helpers.grid.models import fit_pairs, train_models
from helpers.grid.report import GridError, GridReport, Outcome
from helpers.grid.running import run_grid
from helpers.grid.tasks import Task

__all__ = [
    "GridError",
    "GridReport",
    "Outcome",
    "Task",
    "fit_pairs",
    "local_test_in_chunks",
    "map_chunks",
    "nearest_neighbours_in_chunks",
    "open_client",
    "run_grid",
    "train_models",
]

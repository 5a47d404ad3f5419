"""What a search makes of a table from which something was taken on purpose."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .discovery import discover
from .graphs import compare_graphs

__all__ = ["hidden_variable_experiment"]


def hidden_variable_experiment(
    frame: pd.DataFrame,
    hide: str,
    *,
    alpha: float | None = None,
    test: str | None = None,
    tiers: Mapping[str, int] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Hide one variable on purpose, and see what PC and FCI make of the rest (ours).

    Where the hidden variable caused two others, PC has to explain their dependence by an arrow between them, or by a
    contradiction. FCI may answer with a circle or, where the other edges tell, with ``<->``. Tiers suppose
    that the rows were not selected.

    Parameters
    ----------
    frame, alpha, test, tiers, seed
        As in `discover`.
    hide : str
        Column to leave out.

    Returns
    -------
    DataFrame
        One row per pair of other columns that is joined in any of the four graphs: ``a``, ``b``, and the edge from a
        to b in ``pc``, ``fci`` (all columns), ``pc_hidden``, ``fci_hidden`` (without `hide`), in the signs of
        `CausalGraph.symbol`.

    Raises
    ------
    ValueError
        If `hide` is no column, fewer than two others are left, and as `discover`.
    """
    if not isinstance(frame, pd.DataFrame) or hide not in frame:
        known = list(frame.columns) if isinstance(frame, pd.DataFrame) else type(frame).__name__
        raise ValueError(f"hide: found {hide!r}, expected a column of the frame: {known}")
    rest = frame.drop(columns=hide)
    tiers_left = {name: tier for name, tier in (tiers or {}).items() if name != hide}
    table = None
    for method in ("pc", "fci"):
        seen = discover(frame, method, alpha=alpha, test=test, tiers=tiers, seed=seed)
        # The same rows, so that what changes is the column alone.
        known = rest[np.isfinite(frame.to_numpy(dtype=float, na_value=np.nan)).all(axis=1)]
        hidden = discover(known, method, alpha=alpha, test=test, tiers=tiers_left, seed=seed)
        both = compare_graphs(seen, hidden, (method, f"{method}_hidden")).drop(columns="change")
        table = both if table is None else table.merge(both, on=["a", "b"], how="outer")
    assert table is not None
    order = {name: i for i, name in enumerate(frame.columns)}
    table = table.sort_values(["a", "b"], key=lambda column: column.map(order), ignore_index=True)
    return table[["a", "b", "pc", "fci", "pc_hidden", "fci_hidden"]].fillna("")

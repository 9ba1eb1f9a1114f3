"""The small table of the distances of models: what sweeps measured, without the kept sets themselves.

The kept sets are most of the bytes of a sweep. What they say of objects and of lengths is put in their place,
and numbers are rounded to float32, so that the table of a model can come with the package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from otanalysis.distances import DISTANCES, further_distances
from otanalysis.errors import InputError
from otanalysis.files import as_path, sha256_of_json
from otanalysis.studies.objects import OF_OBJECTS, kept_of_objects
from otanalysis.studies.provenance import read_provenance, read_table, write_table
from otanalysis.studies.sweep import read_sweep
from otanalysis.tokens.read import Dump, open_dump

_MEASURED: Final = tuple(name for name in DISTANCES if name != "w2")  # which is the root of another
_FURTHER: Final = further_distances(DISTANCES)  # not measured in every sweep

_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("model", "benchmark", "sample", "method")),
        ("ratio", pa.float64()),
        *((name, pa.int32()) for name in ("m", "keep")),
        *((name, pa.float64()) for name in ("gamma", "logdet_gamma")),
        ("seed", pa.int32()),
        ("normalisation", pa.string()),
        *((name, pa.float32()) for name in (*_MEASURED, *OF_OBJECTS)),
    ]
)
_KEYS: Final = ["model", "benchmark", "sample", "method", "ratio", "gamma", "seed", "normalisation"]
"""What tells one row from another."""


def write_distances(
    sweeps: Sequence[str | PathLike[str]], dumps: Iterable[str | PathLike[str]], out: str | PathLike[str]
) -> Path:
    """Write the distances of one or several models as one small table.

    Parameters
    ----------
    sweeps : sequence of paths
        What :func:`~otanalysis.studies.sweep.sweep` returned, one or several for a model. What some of them
        measured beyond :data:`~otanalysis.distances.EVERYWHERE` is missing in the rows of the others.
    dumps : paths
        All dumps that were swept, which say where objects are.
    out : path
        The file.

    Returns
    -------
    Path
        The file, for :func:`read_distances`. Its provenance has that of every sweep, with what the dumps say
        of their scenes and with the largest duality gap, as a share of its squared distance.

    Raises
    ------
    InputError
        If there is no sweep, the name does not end in .parquet, a table is none of a sweep or would be
        overwritten, two have the same rows, or the dumps are not those that were swept or do not know their
        objects.
    DumpError
        If a dump is missing or damaged.
    StorageError
        If the file cannot be written.
    """
    out = as_path(out, "a table")
    if not sweeps:
        raise InputError("At least one table of a sweep is wanted, got none.")
    if out.suffix != ".parquet":
        raise InputError(
            f"The table is a Parquet file: name it {out.with_suffix('.parquet').name}, not {out.name}."
        )
    if out.resolve() in {Path(path).resolve() for path in sweeps}:
        raise InputError(
            f"{out} is a sweep itself, whose kept sets would be lost: give the table another name."
        )
    opened = {dump.manifest.fingerprint: dump for dump in map(open_dump, dumps)}
    tables = [read_sweep(path) for path in sweeps]
    told = [_told(Path(path), table, opened) for path, table in zip(sweeps, tables, strict=True)]
    rows = pd.concat(tables).sort_values(_KEYS[:3], kind="stable", ignore_index=True)
    if (twice := rows.duplicated(_KEYS)).any():
        first = rows.loc[twice, _KEYS].iloc[0].to_dict()
        raise InputError(f"Two sweeps measured the same, such as {first}: give one of them.")
    whole = rows.join(kept_of_objects(rows, [dump.path for dump in opened.values()]))
    table = pa.Table.from_pandas(whole.reindex(columns=_SCHEMA.names), _SCHEMA, preserve_index=False)
    write_table(out, table, request=sha256_of_json(told), about={"sweeps": told})
    return out


def _told(path: Path, table: pd.DataFrame, opened: Mapping[str, Dump]) -> dict[str, Any]:
    """Return how a sweep came about, and what its dumps say of their scenes."""
    about = read_provenance(path)
    if foreign := [one["dump"] for one in about["dumps"] if one["fingerprint"] not in opened]:
        raise InputError(
            f"{path} was measured on dumps that are not given, or have changed: {', '.join(foreign)}. Give "
            "all of its dumps."
        )
    scenes = [one | {"scenes": opened[one["fingerprint"]].manifest.extra} for one in about["dumps"]]
    known = {name: about[name] for name in ("date", "versions", "platform", "settings", "measured_with")}
    gap = float((table["duality_gap"] / table["w2_squared"]).max())
    return known | {"dumps": scenes, "largest_relative_duality_gap": gap}


def read_distances(path: str | PathLike[str], model: str) -> pd.DataFrame:
    """Read the distances of a model's kept sets from what :func:`write_distances` wrote.

    Parameters
    ----------
    path : path
        The file.
    model : str
        Whose rows are wanted.

    Returns
    -------
    DataFrame
        One row a kept set and normalisation, in the columns of a sweep, with ``dump`` made of model and
        benchmark: settings, every distance of :data:`~otanalysis.distances.DISTANCES` but for rounding to
        float32, and :data:`~otanalysis.studies.objects.OF_OBJECTS`.

    Raises
    ------
    InputError
        If the file is missing or another table, or has no row of the model.
    """
    cure = "restore it from the repository"
    table = read_table(path, _SCHEMA, cure=cure, may_lack=_FURTHER).astype({"seed": "Int64"})
    own = table[table["model"] == model].reset_index(drop=True)
    if own.empty:
        known = ", ".join(sorted(table["model"].unique()))
        raise InputError(f"{path} has no distances of {model}; it has those of {known}.")
    wide = own.astype(dict.fromkeys((*_MEASURED, *OF_OBJECTS), np.float64))
    return wide.assign(dump=wide["model"] + "/" + wide["benchmark"], w2=np.sqrt(wide["w2_squared"]))

"""Tables on disk: Parquet out, Parquet, CSV and JSON lines in. A table is a dict of columns.

DuckDB does the work: it reads and writes all three in 66 MB where PyArrow takes 170.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.files import written_aside

Column = NDArray[Any]
Table = dict[str, Column]

OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false"  # never fetch a part of DuckDB
}

READERS = {
    ".parquet": "read_parquet(?)",
    # All columns as text: a class named 007 must not become the number 7.
    ".csv": "read_csv(?, header = true, all_varchar = true, strict_mode = true)",
    ".tsv": "read_csv(?, header = true, all_varchar = true, delim = '\t')",
    ".jsonl": "read_json(?, format = 'newline_delimited')",
}


def write_parquet(path: Path, columns: Mapping[str, Column]) -> None:
    """Write equally long columns to `path` (zstd), whole or not at all.

    NaN in a float column becomes NULL; None in an object column too.
    """
    import duckdb

    nullable = {
        name: f'CASE WHEN isnan("{name}") THEN NULL ELSE "{name}" END AS "{name}"'
        for name, column in columns.items()
        if column.dtype.kind == "f"
    }
    selected = ", ".join(nullable.get(name, f'"{name}"') for name in columns)
    columns_ = dict(columns)  # noqa: F841  DuckDB finds it by its name
    with written_aside(path) as partial, duckdb.connect(config=OFFLINE) as connection:
        connection.execute(
            f"COPY (SELECT {selected} FROM columns_) TO '{quoted(partial)}' "  # noqa: S608
            "(FORMAT parquet, COMPRESSION zstd)"
        )


def read_table(path: Path) -> Table:
    """Read a .parquet, .csv, .tsv or .jsonl file into columns, rows in the file's order.

    Text columns are object arrays of str or None; NULL numbers are NaN in float columns.
    Raises DataError if the file is missing, of another kind, or malformed.
    """
    import duckdb

    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path} is not a table that footwork reads; it reads {', '.join(READERS)}."
        )
    if not path.is_file():
        raise DataError(f"{path} does not exist or is not a file.")
    try:
        with duckdb.connect(config=OFFLINE) as connection:
            fetched = connection.execute(
                f"SELECT * FROM {reader}",  # noqa: S608  the reader is ours, the path is bound
                [literal(path)],
            ).fetchnumpy()
    except duckdb.Error as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(f"{path} cannot be read as a table: {first}") from error
    return {name: without_mask(column) for name, column in fetched.items()}


def without_mask(column: Column) -> Column:
    if not isinstance(column, np.ma.MaskedArray):
        return column
    data: Column = np.asarray(column.data)
    mask = np.ma.getmaskarray(column)
    if data.dtype.kind != "O":
        data = data.astype(np.float64)
    data = data.copy()
    data[mask] = None if data.dtype.kind == "O" else np.nan
    return data


def literal(path: Path) -> str:
    """Return `path` so that DuckDB takes *, ? and [ in it for what they are, not as a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path.absolute()))


def quoted(path: Path) -> str:
    return str(path).replace("'", "''")

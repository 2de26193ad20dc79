"""Tables on disk: Parquet out, Parquet, CSV and JSON lines in. A table is a dict of columns.

DuckDB does the work: it reads and writes all three in 66 MB where PyArrow takes 170.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
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


def write_parquet(path: Path, columns: Mapping[str, Column], note: str = "") -> None:
    """Write equally long columns to `path` (zstd), whole or not at all.

    NaN in a float column becomes NULL; None in an object column too. note: kept in the file's
    metadata under 'footwork', see `parquet_note`. Names may not differ in case alone: DuckDB
    takes those for one.
    """
    import duckdb

    named = {name: identifier(name) for name in columns}
    nullable = {
        name: f"CASE WHEN isnan({named[name]}) THEN NULL ELSE {named[name]} END AS {named[name]}"
        for name, column in columns.items()
        if column.dtype.kind == "f"
    }
    selected = ", ".join(nullable.get(name, named[name]) for name in columns)
    kept = note.replace("'", "''")
    columns_ = dict(columns)  # noqa: F841  DuckDB finds it by its name
    with written_aside(path) as partial, duckdb.connect(config=OFFLINE) as connection:
        connection.execute(
            f"COPY (SELECT {selected} FROM columns_) TO '{quoted(partial)}' "  # noqa: S608
            f"(FORMAT parquet, COMPRESSION zstd, KV_METADATA {{footwork: '{kept}'}})"
        )


def parquet_note(path: Path) -> str:
    """Return what `write_parquet` was given as `note`; '' for a file of somebody else's."""
    import duckdb

    try:
        with duckdb.connect(config=OFFLINE) as connection:
            rows = connection.execute(
                "SELECT decode(value) FROM parquet_kv_metadata(?) WHERE decode(key) = 'footwork'",
                [literal(path)],
            ).fetchall()
    except duckdb.Error as error:
        raise unreadable(path, error) from error
    return str(rows[0][0]) if rows else ""


def read_table(path: Path) -> Table:
    """Read a .parquet, .csv, .tsv or .jsonl file into columns, rows in the file's order.

    Text columns are object arrays of str or None; NULL numbers are NaN in float columns.
    Raises DataError if the file is missing, of another kind, or malformed.
    """
    import duckdb

    reader = reader_of(path)
    try:
        with duckdb.connect(config=OFFLINE) as connection:
            fetched = connection.execute(
                f"SELECT * FROM {reader}"  # noqa: S608  the reader is ours, the path is quoted
            ).fetchnumpy()
    except duckdb.Error as error:
        raise unreadable(path, error) from error
    return {name: without_mask(column) for name, column in fetched.items()}


@dataclass(frozen=True)
class Coded:
    """A text column by its distinct values, for tables of millions of rows.

    names: the distinct values, sorted by code point. code: (n,) int64 indices into `names`, -1
    where the cell is NULL or empty.
    """

    names: tuple[str, ...]
    code: NDArray[np.int64]


def read_names(path: Path) -> tuple[str, ...]:
    """Return the names of a table's columns in the file's order. Raises as `read_table`."""
    import duckdb

    reader = reader_of(path)
    try:
        with duckdb.connect(config=OFFLINE) as connection:
            described = connection.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall()  # noqa: S608
    except duckdb.Error as error:
        raise unreadable(path, error) from error
    return tuple(name for name, *_ in described)


def read_coded(
    path: Path, text: Collection[str], numbers: Collection[str]
) -> tuple[dict[str, Coded], dict[str, NDArray[np.float64]]]:
    """Read some columns of a table that may have millions of rows.

    text: columns wanted as text, whatever they are in the file; numbers: columns wanted as
    float64, NaN where NULL or empty. All must exist, and there must be one. A text column
    becomes integers inside DuckDB, so that no Python object is made per row. Raises as
    `read_table`, and DataError for a cell of a number column that is not a number.
    """
    import duckdb

    source = f"(SELECT * FROM {reader_of(path)})"  # noqa: S608  the reader is ours
    try:
        with duckdb.connect(config=OFFLINE) as connection:
            kinds = {
                name: kind
                for name, kind, *_ in connection.execute(
                    f"DESCRIBE SELECT * FROM {source}"  # noqa: S608
                ).fetchall()
            }
            known, wanted = {}, []
            for i, name in enumerate(text):
                cell = f"NULLIF(CAST({identifier(name)} AS VARCHAR), '')"
                connection.execute(
                    f"CREATE OR REPLACE TEMP TABLE seen AS SELECT DISTINCT {cell} AS v "  # noqa: S608
                    f"FROM {source}"
                )
                distinct = "SELECT v FROM seen WHERE v IS NOT NULL ORDER BY v"
                known[name] = tuple(v for (v,) in connection.execute(distinct).fetchall())
                code = "-1"
                if known[name]:
                    connection.execute(f"CREATE TYPE kind{i} AS ENUM ({distinct})")
                    code = f"enum_code(CAST({cell} AS kind{i}))"
                wanted.append(f"{code} AS t{i}")
            for i, name in enumerate(numbers):
                cell = identifier(name)
                if kinds[name] == "VARCHAR":
                    cell = f"TRY_CAST({identifier(name)} AS DOUBLE)"
                    wrong = connection.execute(
                        f"SELECT any_value({identifier(name)}) FROM {source} "  # noqa: S608
                        f"WHERE {cell} IS NULL AND {identifier(name)} <> ''"
                    ).fetchall()[0][0]
                    if wrong is not None:
                        raise DataError(f"{path}: {name} holds {wrong!r}, which is no number.")
                wanted.append(f"CAST({cell} AS DOUBLE) AS n{i}")
            fetched = connection.execute(
                f"SELECT {', '.join(wanted)} FROM {source}"  # noqa: S608
            ).fetchnumpy()
    except duckdb.Error as error:
        raise unreadable(path, error) from error
    coded = {
        name: Coded(known[name], filled(fetched[f"t{i}"], -1).astype(np.int64))
        for i, name in enumerate(text)
    }
    return coded, {
        name: filled(fetched[f"n{i}"], np.nan).astype(np.float64) for i, name in enumerate(numbers)
    }


def filled(column: Column, value: float) -> Column:
    """Return a column with `value` where it is masked (NULL)."""
    if not isinstance(column, np.ma.MaskedArray):
        return column
    data: Column = np.asarray(column.data)
    data = data.astype(np.int64 if data.dtype.kind in "iu" else np.float64)
    data[np.ma.getmaskarray(column)] = value
    return data


def reader_of(path: Path) -> str:
    """Return the SQL that reads `path`. Raises DataError if it is missing or of another kind."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path} is not a table that footwork reads; it reads {', '.join(READERS)}."
        )
    if not path.is_file():
        raise DataError(f"{path} does not exist or is not a file.")
    return reader.replace("?", f"'{literal(path).replace(chr(39), chr(39) * 2)}'")


def unreadable(path: Path, error: Exception) -> DataError:
    first = str(error).strip().splitlines()[0]
    return DataError(f"{path} cannot be read as a table: {first}")


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


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

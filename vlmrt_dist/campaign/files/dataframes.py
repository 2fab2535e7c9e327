"""Data frames of pandas, polars and others as Arrow tables, through the interface that all have."""

from __future__ import annotations

from typing import Any, NoReturn, Protocol, runtime_checkable

from vlmrt_dist.errors import CampaignError, MeasurementFileError

NAME = "the data frame"
"""Name of a table that is no file, in messages."""


@runtime_checkable
class DataFrame(Protocol):
    """A table in memory: of pandas, polars, DuckDB, Arrow."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Its columns, by the Arrow PyCapsule interface."""


def arrow_table(frame: DataFrame) -> Any:
    """The columns of a data frame as a ``pyarrow.Table``.

    A named index of pandas is a column as the others; row labels without a name are left out. Text
    and numbers in one column, as in levels with ``<-95``, become text.

    :raises MeasurementFileError: if its columns have no Arrow type, or names repeat
    """
    import pyarrow as pa

    try:
        if type(frame).__module__.partition(".")[0] == "pandas":
            table = _from_pandas(frame)
        else:
            table = pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise MeasurementFileError(NAME, [(0, f"it cannot be read as a table: {reason}")]) from None
    columns = [_plain(column) for column in table.columns]
    return pa.table(columns, names=table.column_names)


def refuse_source(source: object) -> NoReturn:
    """Say that something is neither a file nor a table.

    :raises CampaignError: in any case
    """
    hint = ""
    if hasattr(source, "collect"):
        hint = "; give its .collect()"
    elif isinstance(source, (dict, list)):
        hint = "; give a pandas.DataFrame of it"
    raise CampaignError(
        f"measurements are the path of a file, or a data frame; got {type(source).__name__}{hint}"
    )


def _from_pandas(frame: Any) -> Any:
    import pyarrow as pa

    if all(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"several columns are named {', '.join(map(repr, twice))}")
    columns = []
    for k in range(len(names)):
        column = frame.iloc[:, k]
        try:
            columns.append(pa.array(column, from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            there = column.notna()
            columns.append(
                pa.array([str(x) if ok else None for x, ok in zip(column, there, strict=True)])
            )
    return pa.table(columns, names=names)


def _plain(column: Any) -> Any:
    """A column with a type that files have: categories and views of text become text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind) or pa.types.is_string_view(kind):
        return pa.array(column.to_pylist())
    return column.cast(pa.string()) if pa.types.is_large_string(kind) else column

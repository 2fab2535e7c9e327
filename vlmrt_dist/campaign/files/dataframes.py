"""Data frames of pandas, polars and others as Arrow tables, through the interface that all have."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from vlmrt_dist.errors import MeasurementFileError

NAME = "the data frame"
"""What messages call a table that is no file."""


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
    # Categories, views and large strings as the plain types that files have.
    plain = [_plain_type(field.type) for field in table.schema]
    fields = [pa.field(f.name, kind) for f, kind in zip(table.schema, plain, strict=True)]
    return table.cast(pa.schema(fields))


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


def _plain_type(kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return kind

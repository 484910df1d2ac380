"""Parquet: flat columns, structs, maps, or lists of (name, number) pairs."""

from collections.abc import Iterator
from pathlib import Path

from routerdc.data.formats.columns import column_name, nested
from routerdc.data.formats.rows import DataError, Row


def read_parquet(path: Path) -> Iterator[Row]:
    """The rows of all row groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = [column_name(name) for name in file.schema_arrow.names]
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                raise DataError(f"{path}: columns named twice: {', '.join(repeated)}")
            rows = (row for batch in file.iter_batches(batch_size=4096) for row in batch.to_pylist())
            for number, row in enumerate(rows, start=1):
                yield Row(number, None, nested({column_name(name): value for name, value in row.items()}))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not Parquet: {error}") from None

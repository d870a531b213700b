"""PostgreSQL's binary COPY from and to structured arrays: no loop over rows, every float to the last bit, NaN included.

Every column is BIGINT or DOUBLE PRECISION and never NULL, positions are arrays of DOUBLE PRECISION of one length; so
each row takes the same number of bytes, and the stream is an array in itself. Format: PostgreSQL manual, COPY.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import StoreError

_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_FLOAT8 = 701  # the type's number, fixed in PostgreSQL's catalogue


def to_stream(table: NDArray[np.void]) -> bytes:
    """Rows as COPY ... FROM STDIN (FORMAT binary) takes them."""
    wire = np.zeros(len(table), _wire(table.dtype))
    wire["fields"] = len(table.dtype.names or ())
    for name in table.dtype.names or ():
        size = table.dtype[name].shape
        if size:
            wire[f"{name}:bytes"] = 20 + 12 * size[0]
            wire[name]["axes"], wire[name]["type"], wire[name]["length"], wire[name]["first"] = 1, _FLOAT8, size[0], 1
            wire[name]["items"]["bytes"], wire[name]["items"]["value"] = 8, table[name]
        else:
            wire[f"{name}:bytes"], wire[name] = 8, table[name]
    return _HEAD + wire.tobytes() + _END


def from_stream(stream: bytes | memoryview, dtype: np.dtype[Any]) -> NDArray[np.void]:
    """Rows of COPY ... TO STDOUT (FORMAT binary). Raises StoreError where others have put NULL into them."""
    wire_dtype = _wire(dtype)
    size = len(stream) - len(_HEAD) - len(_END)
    if size % wire_dtype.itemsize:
        raise StoreError("rows of the store are not as they were written (NULL, or positions of another length)")
    wire = np.frombuffer(stream, wire_dtype, count=size // wire_dtype.itemsize, offset=len(_HEAD))
    table = np.empty(len(wire), dtype)
    for name in dtype.names or ():
        table[name] = wire[name]["items"]["value"] if dtype[name].shape else wire[name]
    return table


def _wire(dtype: np.dtype[Any]) -> np.dtype[Any]:
    fields: list[Any] = [("fields", ">i2")]
    for name in dtype.names or ():
        own = dtype[name]
        fields.append((f"{name}:bytes", ">i4"))
        if own.shape:
            item = [("bytes", ">i4"), ("value", ">f8")]
            head = [(part, ">i4") for part in ("axes", "nulls", "type", "length", "first")]
            fields.append((name, [*head, ("items", item, own.shape)]))
        else:
            fields.append((name, own.newbyteorder(">")))
    return np.dtype(fields)

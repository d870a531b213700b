"""Arrays as text in a page: little-endian, one after the other, gzip, base64; and JSON that ends no script."""

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAMES = {"u1": "Uint8Array", "i2": "Int16Array", "i4": "Int32Array", "f4": "Float32Array", "f8": "Float64Array"}
_ALIGNED = 8


def pack(arrays: Mapping[str, NDArray[np.generic]]) -> tuple[list[dict[str, Any]], bytes]:
    """What lies where (name, type of the browser, offset in bytes, count of numbers), and the gzip of all bytes.

    Arrays are flattened; the kinds are u1, i2, i4, f4 and f8. The same arrays give the same bytes.
    """
    described, parts, offset = [], [], 0
    for name, array in arrays.items():
        kind = array.dtype.str[1:]
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        described.append({"name": name, "type": _NAMES[kind], "offset": offset, "count": int(array.size)})
        padding = -len(data) % _ALIGNED
        parts += [data, bytes(padding)]
        offset += len(data) + padding
    return described, gzip.compress(b"".join(parts), 6, mtime=0)


def as_base64(data: bytes) -> str:
    """The bytes as text."""
    return base64.b64encode(data).decode("ascii")


def as_json(content: Any) -> str:
    """JSON in which no `</script>` and no `<!--` can stand: `<` is written as an escape."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")

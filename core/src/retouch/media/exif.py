"""The one EXIF tag that changes what a picture shows: its orientation.

Values and tag: EXIF 2.32 (CIPA DC-008) 4.6.4, TIFF 6.0 section 8.
"""

from __future__ import annotations

import struct

#: Marks EXIF in a JPEG APP1 segment; some writers put it into WebP and PNG as well.
EXIF_MARK = b"Exif\0\0"
#: No reader needs to look further for a tag of the first directory.
MAX_EXIF_BYTES = 65_536

_ORIENTATION_TAG = 0x0112
#: TIFF type numbers of the whole numbers that writers use for this tag.
_FORMATS = {1: "B", 3: "H", 4: "I"}


def read_orientation(data: bytes) -> int:
    """The EXIF orientation in a TIFF block, 1 to 8; 1 for anything missing or broken.

    :param data: the block, with or without the leading ``Exif\\0\\0``.
    """
    try:
        value = _find(data.removeprefix(EXIF_MARK))
    except struct.error:
        return 1
    return value if 1 <= value <= 8 else 1


def orientation_block(orientation: int) -> bytes:
    """An EXIF block, with its leading mark, that holds the orientation and nothing else."""
    entry = struct.pack(">HHIHH", _ORIENTATION_TAG, 3, 1, orientation, 0)
    return EXIF_MARK + b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)


def _find(tiff: bytes) -> int:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, start)
    for offset in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", tiff, offset)
        if tag == _ORIENTATION_TAG:
            if kind not in _FORMATS:
                return 1
            (value,) = struct.unpack_from(order + _FORMATS[kind], tiff, offset + 8)
            return int(value)
    return 1

"""Does a file hold its whole picture? Where rows are missing, Pillow leaves them black, or a JPEG's
decoder fills them with grey, and says nothing."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a PNG, by its colour type
# first column and row, and their steps, of the seven passes of an interlaced PNG
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # fmt: skip
SCAN, END = b"\xff\xda", b"\xff\xd9"  # of a JPEG
# any data will do, with restart markers for files that expect one
OTHER = b"".join(bytes(range(1, 255)) + bytes((0xFF, 0xD0 + number % 8)) for number in range(16))


def refuse_gaps(image: Image.Image) -> None:
    """Raise ValueError if the strips, tiles or the frame of an opened, not yet decoded `image` leave
    a part of it open: a TIFF that lacks strips, a GIF whose picture is smaller than its screen."""
    covered = Counter()  # planes of a TIFF that are stored apart have strips of their own
    for tile in image.tile:
        left, upper, right, lower = tile.extents
        covered[str(tile.args)] += (right - left) * (lower - upper)
    if covered and min(covered.values()) < image.width * image.height:
        raise ValueError("it is not whole: its parts do not fill the picture")


def refuse_short_png(data: bytes) -> None:
    """Raise ValueError if the PNG file `data` holds fewer rows than its header says.

    Its data are unpacked up to the length that the header asks for.
    """
    parts = list(chunks(data))
    packed = b"".join(content for kind, content in parts if kind == b"IDAT")
    length = png_length(parts[0][1])
    if len(zlib.decompressobj().decompress(packed, length)) < length:
        raise ValueError("it is truncated: the PNG data end before the picture does")


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk of a PNG file, in their order."""
    at = 8
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def png_length(header: bytes) -> int:
    """How many bytes the unpacked data of a PNG have, by the content of its IHDR."""
    width, height, depth, colour, interlaced = struct.unpack(">IIBBxxB", header)
    length = 0
    for left, upper, right, down in PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = len(range(left, width, right)), len(range(upper, height, down))
        if columns:
            length += rows * (1 + -(-columns * CHANNELS[colour] * depth // 8))
    return length


def jpeg_end(data: bytes) -> int:
    """Where the end marker stands. Raises ValueError without one, as when zeros fill a file up."""
    at = data.rfind(END)
    if at < data.rfind(SCAN):
        raise ValueError("it is cut: the JPEG data have no end")
    return at


def refuse_cut_jpeg(data: bytes, image: Image.Image) -> None:
    """Raise ValueError if `data` end before their picture does; `image` is what Pillow opens.

    Behind the last scan of a whole picture there may be any data: it decodes to the same.
    """
    other = data[: jpeg_end(data)] + OTHER + END
    decoded = np.asarray(image)
    # what a decoder fills in reaches to the last corner, and is even there; if not, once is enough
    if image.info.get("progressive") or not np.ptp(decoded[-8:, -8:], axis=(0, 1)).any():
        again = np.asarray(Image.open(BytesIO(other), formats=("JPEG",)))
        if not np.array_equal(decoded, again):
            raise ValueError("it is cut: the JPEG data end before the picture does")

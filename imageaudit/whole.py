"""Does a file hold its whole picture? Where rows are missing, Pillow leaves them black and says nothing.

For JPEG, whose decoder fills what is missing, see `jpeg`.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

from PIL import Image

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a PNG, by its colour type
# first column and row, and their steps, of the seven passes of an interlaced PNG
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # fmt: skip


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

    Its data are unpacked up to the length that the header asks for, a megabyte at a time.
    """
    parts, unpacking = list(chunks(data)), zlib.decompressobj()
    rest = b"".join(content for kind, content in parts if kind == b"IDAT")
    missing = png_length(parts[0][1])
    while missing > 0:
        missing -= len(part := unpacking.decompress(rest, 1 << 20))
        rest = unpacking.unconsumed_tail
        if missing > 0 and not part:
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
        columns, rows = -((left - width) // right), -((upper - height) // down)
        if columns > 0 and rows > 0:
            length += rows * (1 + -(-columns * CHANNELS[colour] * depth // 8))
    return length

"""deep.py: 16-bit colour and transparency keep all their bits."""

import struct
import zlib

import numpy as np
import pytest
from pictures import GREY, RAMP, close, interlaced, png, read
from PIL import Image

from deepcovid.data import images
from deepcovid.runs import UserError


def deep(bits: int, order=">u2") -> np.ndarray:
    """RAMP in three channels, each a third darker than the one before."""
    return np.rint((2**bits - 1) * RAMP[..., None] * [1, 2 / 3, 1 / 3]).astype(order)


COLOURS = GREY[..., None] * np.array([1, 2 / 3, 1 / 3])
ALPHA = np.full((*GREY.shape, 1), 65535, ">u2")
ALPHA[:10], ALPHA[10:20] = 0, 32768
SEEN = ALPHA / 65535


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("passes", [lambda pixels: [pixels], interlaced])
def test_16_bit_colour_and_transparency_keep_all_their_bits(tmp_path, bits, passes):
    path, colours = tmp_path / "d.png", deep(bits)
    assert close(read(png(path, passes(colours), 16, 2)), COLOURS)
    assert close(
        read(png(path, passes(np.dstack([colours, ALPHA]).astype(">u2")), 16, 6)), COLOURS * SEEN
    )
    both = np.dstack([colours[..., :1], ALPHA]).astype(">u2")
    assert close(read(png(path, passes(both), 16, 4)), GREY * SEEN[..., 0])


def test_what_transparency_hides_says_nothing_of_the_bits_in_use(tmp_path):
    hidden = np.dstack([np.where(ALPHA == 0, 65535, deep(12)), ALPHA]).astype(">u2")
    path = png(tmp_path / "h.png", [hidden], 16, 6)
    assert close(read(path), COLOURS * SEEN)


def test_16_bit_colour_is_turned_as_its_exif_data_say(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    chunk = (b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    path = png(tmp_path / "e.png", [deep(16)[::-1, ::-1]], 16, 2, chunk)
    assert close(read(path), COLOURS)


def tiff(path, pixels, order: str, packed=False, extra=None, planes=1):
    """A TIFF of 16-bit channels by hand: Pillow writes none."""
    height, width, count = pixels.shape
    body = pixels.astype(f"{order}u2")
    body = (body.transpose(2, 0, 1) if planes == 2 else body).tobytes()
    body = zlib.compress(body) if packed else body
    bits = struct.pack(f"{order}{count}H", *[16] * count)
    strips = [8 + len(bits) + k * len(body) // count for k in range(count)][
        : 1 if planes == 1 else count
    ]
    sizes = [len(body) // len(strips)] * len(strips)
    lists = struct.pack(f"{order}{2 * len(strips)}I", *strips, *sizes)
    at = 8 + len(bits) + len(body)
    offsets = (strips[0], sizes[0]) if planes == 1 else (at, at + 4 * len(strips))
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, count, 8), (259, 4, 1, 8 if packed else 1),
            (262, 4, 1, 2), (273, 4, len(strips), offsets[0]), (277, 4, 1, count),
            (278, 4, 1, height), (279, 4, len(strips), offsets[1]), (284, 4, 1, planes)]  # fmt: skip
    tags += [] if extra is None else [(338, 4, 1, extra)]
    ifd = struct.pack(f"{order}H", len(tags))
    ifd += b"".join(struct.pack(f"{order}HHII", *tag) for tag in tags) + bytes(4)
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", at + len(lists))
    path.write_bytes(start + bits + body + lists + ifd)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
def test_16_bit_colour_tiff_keeps_all_its_bits(tmp_path, order, packed):
    path, colours = tmp_path / "d.tif", deep(12)
    assert close(read(tiff(path, colours, order, packed)), COLOURS)
    own, multiplied = np.dstack([colours, ALPHA]), np.dstack([np.rint(colours * SEEN), ALPHA])
    assert close(read(tiff(path, own, order, packed, extra=2)), COLOURS * SEEN)
    assert close(read(tiff(path, multiplied, order, packed, extra=1)), COLOURS * SEEN)
    assert close(read(tiff(path, own, order, packed, extra=0)), COLOURS)  # no alpha, it says
    with pytest.raises(UserError, match=r"d\.tif: .*separate planes"):
        images.open_radiograph(tiff(path, colours, order, planes=2))

"""whole.py: a picture that lacks rows is refused, a whole one never."""

import struct
import zlib
from itertools import product

import numpy as np
import pytest
from pictures import encoded, interlaced, png
from PIL import Image

from deepcovid.data import phantom
from imageaudit import images, whole
from imageaudit.errors import UserError

MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]


def picture(mode: str) -> Image.Image:
    grey = Image.fromarray(phantom.radiograph("COVID-19", 1, 64).image).crop((0, 0, 48, 40))
    if mode == "I;16":
        return Image.fromarray(np.asarray(grey).astype(np.uint16) * 16)
    return grey.convert(mode)


def higher_png(data: bytes, rows: int) -> bytes:
    """The same PNG, whose header tells of more rows than there are."""
    header = data[12:20] + struct.pack(">I", rows) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def higher_tiff(data: bytes, rows: int) -> bytes:
    changed = bytearray(data)
    start = struct.unpack("<I", data[4:8])[0]
    for entry in range(struct.unpack("<H", data[start : start + 2])[0]):
        at = start + 2 + 12 * entry
        if struct.unpack("<H", data[at : at + 2])[0] == 257:  # ImageLength
            changed[at + 2 : at + 12] = struct.pack("<HII", 4, 1, rows)
    return bytes(changed)


@pytest.mark.parametrize("mode", MODES)
def test_a_png_with_fewer_rows_than_it_tells_of_is_refused(tmp_path, mode):
    path = tmp_path / "x.png"
    data = encoded(picture(mode), format="PNG")
    path.write_bytes(data)
    assert images.open_radiograph(path).size == (48, 40)
    for rows in (41, 80):
        path.write_bytes(higher_png(data, rows))
        with pytest.raises(UserError, match="it is truncated: the PNG data end before"):
            images.open_radiograph(path)


def test_an_interlaced_png_is_read_whole_and_refused_without_its_last_pass(tmp_path):
    path = tmp_path / "x.png"
    for size in ((40, 48), (7, 5), (1, 1), (3, 9)):
        grey = np.random.default_rng(0).integers(1, 256, size, dtype=np.uint8)
        png(path, interlaced(grey), shape=size)
        assert np.array_equal(np.asarray(images.open_radiograph(path))[..., 0], grey)
    png(path, interlaced(np.full((40, 48), 9, np.uint8))[:6], shape=(40, 48))
    with pytest.raises(UserError, match="it is truncated"):
        images.open_radiograph(path)


def test_as_many_bytes_are_asked_of_a_png_as_a_whole_one_has(tmp_path):
    def check(data: bytes) -> None:
        parts = dict(whole.chunks(data))
        assert whole.png_length(parts[b"IHDR"]) == len(zlib.decompress(parts[b"IDAT"]))

    for size in product(range(1, 18), repeat=2):  # no more than two rounds of interlacing
        grey = np.zeros(size, np.uint8)
        check(png(tmp_path / "x.png", interlaced(grey), shape=size).read_bytes())
    for mode, width in product(MODES, range(1, 10)):
        check(encoded(picture(mode).resize((width, 3)), format="PNG"))


def test_a_png_in_many_pieces_is_whole():
    data = encoded(picture("L"), format="PNG")
    packed = dict(whole.chunks(data))[b"IDAT"]
    pieces = b"".join(
        struct.pack(">I", 1) + kind + packed[at : at + 1] + b"\0\0\0\0"
        for at, kind in enumerate([b"IDAT"] * len(packed))
    )
    whole.refuse_short_png(data[:33] + pieces)
    with pytest.raises(ValueError, match="truncated"):
        whole.refuse_short_png(data[:33] + pieces[: -13 * 8])


@pytest.mark.parametrize("how", [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_deflate"}])
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_a_tiff_that_lacks_strips_is_refused(tmp_path, mode, how):
    path = tmp_path / "x.tif"
    data = encoded(picture(mode), format="TIFF", **how)
    path.write_bytes(higher_tiff(data, 40))
    assert images.open_radiograph(path).size == (48, 40)
    path.write_bytes(higher_tiff(data, 80))
    assert images.refusal(path)


def test_a_gif_whose_picture_is_smaller_than_its_screen_is_refused(tmp_path):
    path = tmp_path / "x.gif"
    data = bytearray(encoded(picture("L"), format="GIF"))
    path.write_bytes(data)
    assert images.refusal(path) is None
    data[8:10] = struct.pack("<H", 80)
    path.write_bytes(data)
    assert "its parts do not fill the picture" in images.refusal(path)

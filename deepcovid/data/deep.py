"""Pictures of 16 bits with colours or transparency, of which Pillow itself keeps the high byte only.

They are decoded twice, their bytes taken in the one and in the other order: high byte, low byte.
"""

import re
import sys
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from deepcovid.data.grey import from_integers

DEEP = re.compile(r"(RGB|RGBX|RGBA|RGBa|LA);16([LBN])")
OTHER_BYTE = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


def is_deep(image: Image.Image) -> bool:
    """Is this picture, opened and not yet decoded, one of those?"""
    tags = getattr(image, "tag_v2", {})
    if tags.get(284) == 2 and len(tags.get(258, ())) > 1 and max(tags[258]) > 8:
        raise ValueError("its colours of 16 bits lie in separate planes, which is not supported")
    return bool(DEEP.fullmatch(raw_mode(image)))


def raw_mode(image: Image.Image) -> str:
    """Pillow's name for the way the bytes of the file are laid out."""
    args = image.tile[0].args if image.tile else ""
    return args if isinstance(args, str) else str(args[0])


def picture(file: BinaryIO, image: Image.Image) -> Image.Image:
    """RGB or grey of 8 bits, turned as the EXIF data say, black where it is transparent.

    `image` is `file` opened, not yet decoded.
    """
    layout, order = DEEP.fullmatch(raw_mode(image)).groups()
    if layout == "LA":  # of PNG only, whose high byte comes first
        values = decoded(file, image.format, "RGBA").copy().view(">u2")
    else:
        layout = layout.upper()  # as it is, where alpha has been multiplied in
        high, low = (
            decoded(file, image.format, f"{layout};16{byte}") for byte in (order, OTHER_BYTE[order])
        )
        values = 256 * high.astype(np.uint16) + low
    count = 1 if layout == "LA" else 3
    colour, alpha = values[..., :count], values[..., count:]
    if alpha.size == 0 or "RGBa" in raw_mode(image):
        key = image.info.get("transparency", (-1, -1, -1))
        alpha = np.where((colour == key).all(axis=-1, keepdims=True), 0, 65535)
    colour = from_integers(np.where(alpha == 0, 0, colour))  # what is hidden says nothing of bits
    flat = np.rint(colour * (alpha / 65535)).astype(np.uint8)
    return Image.fromarray(flat[..., 0] if count == 1 else flat)


def decoded(file: BinaryIO, format: str, raw_mode: str) -> np.ndarray:
    file.seek(0)
    with Image.open(file, formats=(format,)) as image:
        image.tile = [
            tile._replace(
                args=raw_mode if isinstance(tile.args, str) else (raw_mode, *tile.args[1:])
            )
            for tile in image.tile
        ]
        ImageOps.exif_transpose(image, in_place=True)
        return np.asarray(image)

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
        values = decoded(file, image.format, f"{layout};16{order}").astype(np.uint16)
        values *= 256
        values += decoded(file, image.format, f"{layout};16{OTHER_BYTE[order]}")
    count = 1 if layout == "LA" else 3
    colour, alpha = values[..., :count], values[..., count:]
    if key := image.info.get("transparency"):  # the one colour that is not to be seen
        alpha = np.uint16(65535) * (colour != key).any(axis=-1, keepdims=True)
    if alpha.size == 0 or "RGBa" in raw_mode(image):
        colour = from_integers(colour)
    else:
        colour = from_integers(np.where(alpha == 0, 0, colour))  # the hidden says nothing of bits
        # colour x alpha / 65535 to the nearest whole number, of which there is always one
        blended = colour.astype(np.uint32) * alpha
        blended *= 2
        blended += 65535
        blended //= 2 * 65535
        colour = blended.astype(np.uint8)
    return Image.fromarray(colour[..., 0] if count == 1 else colour)


def decoded(file: BinaryIO, format: str, raw_mode: str) -> np.ndarray:
    with Image.open(file, formats=(format,)) as image:  # from its start, wherever it was read to
        image.tile = [
            tile._replace(
                args=raw_mode if isinstance(tile.args, str) else (raw_mode, *tile.args[1:])
            )
            for tile in image.tile
        ]
        ImageOps.exif_transpose(image, in_place=True)
        return np.asarray(image)

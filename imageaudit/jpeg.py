"""Is a JPEG whole? Where its data end too early, decoders fill the rest with grey and say nothing."""

from io import BytesIO

import numpy as np
from PIL import Image

SCAN, END = b"\xff\xda", b"\xff\xd9"
# any data will do, with restart markers for files that expect one
OTHER = b"".join(bytes(range(1, 255)) + bytes((0xFF, 0xD0 + number % 8)) for number in range(16))


def end(data: bytes) -> int:
    """Where the end marker stands. Raises ValueError without one, as when zeros fill a file up."""
    at = data.rfind(END)
    if at < data.rfind(SCAN):
        raise ValueError("it is cut: the JPEG data have no end")
    return at


def refuse_cut(data: bytes, image: Image.Image) -> None:
    """Raise ValueError if `data` end before their picture does; `image` is what Pillow opens.

    Behind the last scan of a whole picture there may be any data: it decodes to the same.
    """
    other = data[: end(data)] + OTHER + END
    decoded = np.asarray(image)
    # what a decoder fills in reaches to the last corner, and is even there; if not, once is enough
    if image.info.get("progressive") or not np.ptp(decoded[-8:, -8:], axis=(0, 1)).any():
        again = np.asarray(Image.open(BytesIO(other), formats=("JPEG",)))
        if not np.array_equal(decoded, again):
            raise ValueError("it is cut: the JPEG data end before the picture does")

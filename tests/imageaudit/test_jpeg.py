"""whole.py: half a JPEG is noticed, a whole one never called cut."""

import re
from itertools import pairwise

import numpy as np
import pytest
from pictures import NOISE, close, encoded, noise, read
from PIL import Image

from imageaudit import images
from imageaudit.errors import UserError

KINDS = {
    "jpeg": {"format": "JPEG"},
    "progressive": {"format": "JPEG", "progressive": True},
    "restarts": {"format": "JPEG", "restart_marker_rows": 1},
}


def scans(data: bytes) -> list[tuple[int, int]]:
    """Where the scans of a JPEG begin and end; between two, a progressive file may end."""
    marks = [m.start() for m in re.finditer(b"\xff[\xda\xc4\xd9]", data)]
    return [(a + 30, b) for a, b in pairwise(marks) if data[a + 1] == 0xDA and b - a > 200]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_half_a_jpeg_is_refused_even_if_its_decoder_fills_the_rest_with_grey(tmp_path, kind, mode):
    path = tmp_path / "half.jpg"
    data = encoded(noise(96, 80).convert(mode), **KINDS[kind])
    for start, end in scans(data):
        for at in np.linspace(start, start + 0.8 * (end - start), 9).astype(int):
            for rest in (b"\xff\xd9", bytes(len(data) - at)):
                path.write_bytes(data[:at].rstrip(b"\xff") + rest)
                with pytest.raises(UserError, match=r"half\.jpg: .*([Tt]runcated|broken|cut)"):
                    images.open_radiograph(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("after", [b"", bytes(100), b"a note by some program"])
def test_a_whole_jpeg_with_an_even_corner_is_read(tmp_path, kind, mode, after):
    picture = NOISE.copy()
    picture.paste(0, (20, 10, 48, 40))
    path = tmp_path / "w.jpg"
    path.write_bytes(encoded(picture.convert(mode), **KINDS[kind]) + after)
    assert close(read(path), np.asarray(Image.open(path)), 0)
    preview = encoded(picture.resize((12, 10)), format="JPEG")
    exif = b"Exif\0\0" + preview  # as cameras put one before the picture
    path.write_bytes(encoded(picture.convert(mode), exif=exif, **KINDS[kind]))
    assert read(path).shape == (40, 48, 3)

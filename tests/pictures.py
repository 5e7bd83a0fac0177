"""Small pictures and DICOM files that tests of the data wing write and read."""

import io
import struct
import zlib

import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from imageaudit import images

# dark to bright from left to right, taller than wide: a turn or an inversion shows
RAMP = np.tile(np.linspace(0, 1, 64), (80, 1))
GREY = np.rint(255 * RAMP).astype(np.uint8)


def read(path) -> np.ndarray:
    picture = images.open_radiograph(path)
    assert picture.mode == "RGB"
    return np.asarray(picture).astype(int)


def close(found: np.ndarray, wanted: np.ndarray, tolerance: int = 1) -> bool:
    wanted = wanted if wanted.ndim == 3 else np.repeat(wanted[..., None], 3, axis=2)
    return found.shape == wanted.shape and np.abs(found - wanted).max() <= tolerance


def write_dicom(path, stored, photometric="MONOCHROME2", bits=12, **tags):
    stored = np.asarray(stored)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    data.Rows, data.Columns = stored.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, photometric
    data.BitsAllocated = 8 * stored.dtype.itemsize
    data.BitsStored, data.HighBit = bits, bits - 1
    data.PixelRepresentation = int(stored.dtype.kind == "i")
    data.PixelData = stored.tobytes()
    for tag, value in tags.items():
        setattr(data, tag, value)
    data.save_as(path, enforce_file_format=True)
    return path


def png(path, passes, depth=8, colour=0, *chunks, shape=GREY.shape):
    """A PNG by hand: Pillow writes no interlaced one, and of 16 bits grey only.

    `passes` are arrays of rows, seven where it is interlaced, `chunks` go before the pixels.
    """
    raw = b"".join(b"\0" + row.tobytes() for part in passes for row in part if row.size)
    height, width = shape
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, len(passes) > 1)
    chunks = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in chunks
        )
    )
    return path


ADAM7 = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2),
         (1, 2, 0, 1)]  # fmt: skip


def interlaced(pixels):
    return [pixels[y::dy, x::dx] for y, dy, x, dx in ADAM7]


def encoded(picture: Image.Image, **how) -> bytes:
    out = io.BytesIO()
    picture.save(out, **how)
    return out.getvalue()


def noise(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(0).normal(128, 60, (height, width))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


NOISE = noise(48, 40)

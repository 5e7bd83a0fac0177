"""Read one radiograph of any sane format into 8-bit RGB, or refuse it by name.

Every function here may be called from several threads at once: no setting of Pillow is changed.
"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pydicom
from PIL import Image, ImageOps, UnidentifiedImageError
from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing

from deepcovid.runs import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".dcm")
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP")
# The largest detectors give 30 million pixels. Pillow itself only warns, from 89 million on.
MAX_PIXELS = 80_000_000

Image.init()  # Pillow loads its formats on first use, which is no business of a thread


def open_radiograph(path: Path | str) -> Image.Image:
    """The picture in `path`, mode RGB, 0 to 255, air dark, turned as its EXIF data say.

    Grey is repeated in the three channels. What is transparent becomes black, like the air around
    a body. More than 8 bits are brought to 8 as `from_integers` and `from_floats` say, DICOM by
    its own window. Content decides, not the suffix. Raises UserError that names the file and the
    reason when it is no single, whole picture of at most `MAX_PIXELS`.
    """
    with refusing(path), Path(path).open("rb") as file:
        return read_dicom(file) if is_dicom(file) else read_picture(file)


def facts(path: Path | str) -> dict[str, str | int]:
    """`sha1` of the file's bytes, its `width` and `height` in pixels, its `mode`.

    The size is that before a JPEG or PNG is turned as its EXIF data say.
    `mode` is Pillow's name (L, RGB, I;16 ...), of a DICOM file its photometric interpretation and
    bits (`MONOCHROME2 12`). Only the header is decoded. Raises UserError like `open_radiograph`.
    """
    with refusing(path), Path(path).open("rb") as file:
        sha1 = hashlib.file_digest(file, "sha1").hexdigest()
        if is_dicom(file):
            data = open_dicom(file, header_only=True)
            width, height = data.Columns, data.Rows
            mode = f"{data.PhotometricInterpretation} {data.BitsStored}"
        else:
            with open_picture(file) as image:
                (width, height), mode = image.size, image.mode
    return {"sha1": sha1, "width": width, "height": height, "mode": mode}


def find(folder: Path | str) -> list[Path]:
    """All image files below `folder`, known by their suffix, in the order of their paths.

    What is hidden, or lies in a hidden folder, is left out: thumbnails, macOS's `._` doubles.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}.")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
        and not path.is_dir()  # a broken link stays, to be refused by name
    )


def refusal(path: Path | str) -> str | None:
    """Decode `path`; `file: reason` if it cannot be read, else None."""
    try:
        open_radiograph(path)
    except UserError as error:
        return str(error)
    return None


def check(paths: Iterable[Path | str]) -> list[str]:
    """The refusals of all `paths` that cannot be read, in their order."""
    with ThreadPoolExecutor() as pool:
        return [text for text in pool.map(refusal, paths) if text]


def from_integers(values: np.ndarray) -> np.ndarray:
    """Whole numbers to 0..255 by the bits in use: 4095 is white in a file that goes to 3000.

    The bits are those that hold the largest value, 8 at least. Scanners write 10, 12 or 14 bits
    into 16-bit files without saying so. Values below 0 are first moved up so that the least is 0.
    """
    values = values.astype(np.int64) - min(0, int(values.min()))
    bits = max(8, int(values.max()).bit_length())
    return stretched(values, 0, 2**bits - 1)


def from_floats(values: np.ndarray) -> np.ndarray:
    """Floats to 0..255: as they are if all lie in 0..1, else from the least to the largest."""
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are no finite numbers")
    low, high = values.min(), values.max()
    return stretched(values, 0, 1) if low >= 0 and high <= 1 else stretched(values, low, high)


def stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """`low` and below becomes 0, `high` and above 255, 8 bit."""
    share = (values.astype(np.float64) - low) / ((float(high) - low) or 1)
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


def open_picture(file: BinaryIO) -> Image.Image:
    """The opened picture, not yet decoded."""
    image = Image.open(file, formats=FORMATS)
    refuse_size(*image.size)
    # a camera's JPEG may carry a preview (MPO): its first picture is the whole one
    if image.format != "MPO":
        refuse_several(getattr(image, "n_frames", 1))
    return image


def read_picture(file: BinaryIO) -> Image.Image:
    with open_picture(file) as image:
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode == "F" or image.mode.startswith("I"):
            values = np.asarray(image)
            grey = from_floats(values) if image.mode == "F" else from_integers(values)
            # Pillow turns white-is-zero TIFF round up to 8 bits only
            if image.format == "TIFF" and image.tag_v2.get(262) == 0:
                grey = 255 - grey
            return Image.fromarray(grey).convert("RGB")
        if image.has_transparency_data:
            black = Image.new("RGBA", image.size, (0, 0, 0, 255))
            return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
        return image.convert("RGB")


def is_dicom(file: BinaryIO) -> bool:
    start = file.seek(0) or file.read(132)
    file.seek(0)
    if not start:
        raise ValueError("it is empty (0 bytes)")
    return start[128:] == b"DICM"


def open_dicom(file: BinaryIO, header_only: bool = False) -> pydicom.Dataset:
    """The data set of one picture, its pixels not yet decoded."""
    data = pydicom.dcmread(file, stop_before_pixels=header_only)
    if "Rows" not in data or "Columns" not in data:
        raise ValueError("it is a DICOM file without a picture")
    refuse_size(data.Columns, data.Rows)
    refuse_several(int(data.get("NumberOfFrames") or 1))
    return data


def read_dicom(file: BinaryIO) -> Image.Image:
    """Modality LUT, then VOI LUT or first window, then MONOCHROME1 turned round (DICOM PS3.4 N.2).

    Without a window the range of the values is shown, padding left out.
    """
    data = open_dicom(file)
    stored, kind = data.pixel_array, data.PhotometricInterpretation
    if kind.startswith(("RGB", "YBR")) and stored.dtype == np.uint8:
        return Image.fromarray(stored)  # pydicom has already made RGB of YBR
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise ValueError(f"DICOM pictures of kind {kind}, {data.BitsStored} bit, are not supported")
    values = apply_modality_lut(stored, data)
    if data.get("VOILUTSequence"):
        table = data.VOILUTSequence[0]
        count, first, bits = table.LUTDescriptor
        table.LUTDescriptor = [count, first, 16]  # pydicom indexes in 8 bits what has 8-bit values
        values = apply_voi(values.astype(np.int64), data)
        low, high = 0, 2**bits - 1
    elif data.get("WindowWidth"):
        # what pydicom makes of all that is below and above the window
        low, high = apply_windowing(np.array([-np.inf, np.inf]), data)
        values = apply_windowing(values, data)
    else:
        shown = values[stored != data.get("PixelPaddingValue")]
        low, high = (shown.min(), shown.max()) if shown.size else (0, 1)
    grey = stretched(values, low, high)
    return Image.fromarray(255 - grey if kind == "MONOCHROME1" else grey).convert("RGB")


def refuse_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels are too many (limit {MAX_PIXELS:,})")


def refuse_several(count: int) -> None:
    if count > 1:
        raise ValueError(f"it holds {count} pictures; save the one that counts as its own file")


@contextmanager
def refusing(path: Path | str) -> Iterator[None]:
    """Turn whatever goes wrong inside into a UserError that names the file and the reason."""
    try:
        yield
    except IsADirectoryError:
        reason = "it is a folder"
    except UnidentifiedImageError:
        reason = f"it is no picture of a known format ({', '.join(FORMATS)}, DICOM)"
    except OSError as error:
        reason = error.strerror or str(error)
    # decoders meet broken files with nearly any exception
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
    else:
        return
    raise UserError(f"{path}: {reason}")

"""Read one radiograph of any sane format into 8-bit RGB, or refuse it by name.

Every function here may be called from several threads at once: no setting of Pillow is changed.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from imageaudit import whole
from imageaudit.errors import UserError, escape_control_chars
from imageaudit.grey import from_floats, from_integers

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".dcm")
STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*")  # of other image files
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP")
DEEP_COLOUR = re.compile(r"(RGB|RGBX|RGBA|RGBa|LA);16[LBN]")  # as Pillow calls their layouts
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
    with opened(path) as file:
        return read(file)


def read(file: BinaryIO) -> Image.Image:
    """The picture in an open file, as `open_radiograph` says; ValueError, or what its decoder raises."""
    if not is_dicom(file):
        return read_picture(file)
    from imageaudit import dicom

    dicom_header(file)
    return dicom.picture(file)


def facts(path: Path | str) -> dict[str, str | int]:
    """`sha1` of the file's bytes, its `width` and `height` in pixels, its `mode`.

    The size is that before a JPEG or PNG is turned as its EXIF data say.
    `mode` is Pillow's name (L, RGB, I;16 ...), of a DICOM file its photometric interpretation and
    bits (`MONOCHROME2 12`). Only the header is decoded. Raises UserError like `open_radiograph`.
    """
    with opened(path) as file:
        sha1 = hashlib.file_digest(file, "sha1").hexdigest()
        if is_dicom(file):
            data = dicom_header(file)
            width, height = data.Columns, data.Rows
            mode = f"{data.PhotometricInterpretation} {data.BitsStored}"
        else:
            with open_picture(file) as image:
                (width, height), mode = image.size, image.mode
    return {"sha1": sha1, "width": width, "height": height, "mode": mode}


def find(folder: Path | str) -> list[Path]:
    """All image files below `folder`, in the order of their paths: those with one of `SUFFIXES`,
    and those that begin like a DICOM file or another picture, whatever they are called.

    What is hidden, or lies in a hidden folder, is left out: thumbnails, macOS's `._` doubles. So
    is a DICOMDIR, the table of contents of a DICOM medium. Links to folders are followed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"There is no folder {escape_control_chars(folder)}.")
    return sorted(filter(is_image, walk(folder)))


def is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or begins_like_an_image(path)


def walk(folder: Path, above: frozenset = frozenset()) -> Iterator[Path]:
    """All files below a folder that are not hidden; a broken link stays, to be refused by name."""
    here = folder.stat()
    within = above | {(here.st_dev, here.st_ino)}
    if within == above:  # a link back to where we came from
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__MACOSX")):
                continue
            path = folder / entry.name
            if entry.is_dir():
                yield from walk(path, within)
            else:
                yield path


def begins_like_an_image(path: Path) -> bool:
    if path.name == "DICOMDIR" or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError:
        return True  # to be refused by name
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return webp or start.startswith(STARTS) or begins_like_dicom(start)


def begins_like_dicom(start: bytes) -> bool:
    """With a preamble, or right with the first tags of a file: group 2 or 8, a type or a length."""
    if start[128:132] == b"DICM":
        return True
    group, kind = start[:4], start[4:6]
    first = group[:2] in (b"\x02\0", b"\x08\0") and group[3:] == b"\0"
    explicit = kind.isalpha() and kind.isupper()
    implicit = len(start) > 8 and int.from_bytes(start[4:8], "little") <= 128
    return first and (explicit or implicit)


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
        whole.refuse_gaps(image)
        if image.format == "PNG":
            file.seek(0)
            whole.refuse_short_png(file.read())
        refuse_deep_colour(image)
        if image.format in ("JPEG", "MPO"):
            file.seek(0)
            whole.refuse_cut_jpeg(file.read(), image)
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode == "F" or image.mode.startswith("I"):
            values = np.array(image)
            values[values == image.info.get("transparency")] = 0
            grey = from_floats(values) if image.mode == "F" else from_integers(values)
            # Pillow turns white-is-zero TIFF round up to 8 bits only
            if image.format == "TIFF" and image.tag_v2.get(262) == 0:
                grey = 255 - grey
            return Image.fromarray(grey).convert("RGB")
        if image.has_transparency_data:
            black = Image.new("RGBA", image.size, (0, 0, 0, 255))
            return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
        return image.convert("RGB")


def refuse_deep_colour(image: Image.Image) -> None:
    """Raise ValueError for colour or transparency of 16 bits, of which Pillow keeps 8 and says
    nothing; `image` is opened, not yet decoded."""
    args = image.tile[0].args if image.tile else ""
    layout = args if isinstance(args, str) else str(args[0])
    bits = getattr(image, "tag_v2", {}).get(258, ())  # of a TIFF, which may keep its colours apart
    if DEEP_COLOUR.fullmatch(layout) or (len(bits) > 1 and max(bits) > 8):
        raise ValueError(
            "it has colours or transparency of 16 bits, which is not supported: save it as grey of "
            "16 bits, or with 8 bits"
        )


def is_dicom(file: BinaryIO) -> bool:
    start = file.seek(0) or file.read(132)
    file.seek(0)
    if not start:
        raise ValueError("it is empty (0 bytes)")
    return begins_like_dicom(start)


# pydicom takes a second to load, and most datasets have no use for it


def dicom_header(file: BinaryIO):
    """The data set of a DICOM picture without its pixels."""
    from imageaudit import dicom

    data = dicom.header(file)
    refuse_size(data.Columns, data.Rows)
    refuse_several(int(data.get("NumberOfFrames") or 1))
    return data


def refuse_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels are too many (limit {MAX_PIXELS:,})")


def refuse_several(count: int) -> None:
    if count > 1:
        raise ValueError(f"it holds {count} pictures; save the one that counts as its own file")


@contextmanager
def opened(path: Path | str) -> Iterator[BinaryIO]:
    """The file, to be read; whatever goes wrong is a UserError that names it and the reason.

    A pipe, which may never give anything, is not waited for.
    """
    path = Path(path)
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ValueError("it is a pipe, a socket or a device, and no file")
        with path.open("rb") as file:
            yield file
        return
    except IsADirectoryError:
        reason = "it is a folder"
    except UnidentifiedImageError:
        reason = f"it is no picture of a known format ({', '.join(FORMATS)}, DICOM)"
    except OSError as error:
        reason = error.strerror or str(error)
    # decoders meet broken files with nearly any exception
    except Exception as error:
        reason = str(error) or type(error).__name__
    raise UserError(escape_control_chars(f"{path}: {' '.join(reason.split())}"))

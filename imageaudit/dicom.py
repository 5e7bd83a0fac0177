"""The way a DICOM file is read: the picture that its own tags say is to be shown."""

from io import BytesIO
from typing import BinaryIO

import numpy as np
import pydicom
from PIL import Image
from pydicom import uid
from pydicom.encaps import get_frame
from pydicom.multival import MultiValue
from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing

from imageaudit import whole
from imageaudit.grey import stretched

# whose decoders do not notice a cut; those of JPEG-LS, JPEG 2000 and RLE do
JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit)
JPEG_LOSSLESS = (uid.JPEGLossless, uid.JPEGLosslessSV1)


def read(file: BinaryIO, **options) -> pydicom.Dataset:
    """A data set, also without a preamble, and without the tag that says how it is encoded."""
    data = pydicom.dcmread(file, force=True, **options)
    if "TransferSyntaxUID" not in data.file_meta:
        implicit, little = data.original_encoding
        explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
        data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else explicit
    return data


def number(data: pydicom.Dataset, name: str) -> float | None:
    """A tag's first number, also with a decimal comma; None where there is none."""
    value = getattr(data.get_item(name), "value", None)
    if isinstance(value, bytes):  # as it stands in the file
        value = value.decode("ascii", "replace")
    elif isinstance(value, MultiValue):
        value = [*value, ""][0]
    try:
        return float(str(value).split("\\")[0].replace(",", ".").strip("\0 "))
    except ValueError:
        return None


def window(data: pydicom.Dataset) -> bool:
    """Whether there is a window that can be used; its numbers are then in order."""
    centre, width = number(data, "WindowCenter"), number(data, "WindowWidth")
    linear = (data.get("VOILUTFunction") or "LINEAR") == "LINEAR"
    if centre is None or width is None or width < (1 if linear else 1e-9):
        return False
    data.WindowCenter, data.WindowWidth = centre, width
    return True


def shown_by(data: pydicom.Dataset) -> str:
    """By what a picture's brightness is decided."""
    if data.get("VOILUTSequence"):
        return "table"
    return "window" if window(data) else "range of values"


def header(file: BinaryIO) -> pydicom.Dataset:
    """The data set of a picture without its pixels."""
    data = read(file, stop_before_pixels=True)
    if "Rows" not in data or "Columns" not in data:
        raise ValueError("it is a DICOM file without a picture")
    return data


def picture(file: BinaryIO) -> Image.Image:
    """Modality LUT, then VOI LUT or first window, then MONOCHROME1 turned round (DICOM PS3.4 N.2).

    Without a window that can be used the range of the values is shown. Padding is left out of it, and black.
    """
    file.seek(0)
    data = read(file)
    stored, kind = pixels(data), data.PhotometricInterpretation
    if kind.startswith(("RGB", "YBR")) and stored.dtype == np.uint8:
        return Image.fromarray(stored)  # pydicom has already made RGB of YBR
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise ValueError(f"DICOM pictures of kind {kind}, {data.BitsStored} bit, are not supported")
    if None in [number(data, name) for name in ("RescaleSlope", "RescaleIntercept")]:
        for name in {"RescaleSlope", "RescaleIntercept"} & {*data.dir()}:
            del data[name]  # empty: pydicom would ask it for a number
    outside, values = padding(stored, data), apply_modality_lut(stored, data)
    if data.get("VOILUTSequence"):
        table = data.VOILUTSequence[0]
        count, first, bits = table.LUTDescriptor
        table.LUTDescriptor = [count, first, 16]  # pydicom indexes in 8 bits what has 8-bit values
        values = apply_voi(values.astype(np.int64), data)
        low, high = 0, 2**bits - 1
    elif window(data):
        # what pydicom makes of all that is below and above the window
        low, high = apply_windowing(np.array([-np.inf, np.inf]), data)
        values = apply_windowing(values, data)
    else:
        inside = values[~outside]
        low, high = (inside.min(), inside.max()) if inside.size else (0, 1)
    grey = stretched(values, low, high)
    grey = 255 - grey if kind == "MONOCHROME1" else grey
    return Image.fromarray(np.where(outside, np.uint8(0), grey)).convert("RGB")


def pixels(data: pydicom.Dataset) -> np.ndarray:
    """The stored values of a whole picture."""
    # where a file ends early, pydicom drops what was begun, with compressed pixels all there is
    if not any(word in data for word in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise ValueError("it has no pixel data, or is cut within them")
    stored, syntax = data.pixel_array, data.file_meta.TransferSyntaxUID
    if syntax in JPEG + JPEG_LOSSLESS:
        frame = get_frame(data.PixelData, 0, number_of_frames=1)
        if syntax in JPEG:
            whole.refuse_cut_jpeg(frame, Image.open(BytesIO(frame), formats=("JPEG",)))
        whole.jpeg_end(frame)
    return stored


def padding(stored: np.ndarray, data: pydicom.Dataset) -> np.ndarray:
    """Where `stored` holds no picture: at PixelPaddingValue, or from it to PixelPaddingRangeLimit."""
    if (value := data.get("PixelPaddingValue")) is None:
        return np.zeros(stored.shape, bool)
    limit = data.get("PixelPaddingRangeLimit")
    # some files write a negative value as if it had no sign
    ends = np.array([value, value if limit is None else limit]).astype(stored.dtype)
    return (stored >= ends.min()) & (stored <= ends.max())

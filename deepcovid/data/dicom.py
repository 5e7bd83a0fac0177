"""The way a DICOM file is read: the picture that its own tags say is to be shown."""

from typing import BinaryIO

import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing

from deepcovid.data.grey import stretched


def is_dicom(file: BinaryIO) -> bool:
    start = file.seek(0) or file.read(132)
    file.seek(0)
    if not start:
        raise ValueError("it is empty (0 bytes)")
    return start[128:] == b"DICM"


def opened(file: BinaryIO, header_only: bool = False) -> pydicom.Dataset:
    """The data set of a picture, its pixels not yet decoded."""
    data = pydicom.dcmread(file, stop_before_pixels=header_only)
    if "Rows" not in data or "Columns" not in data:
        raise ValueError("it is a DICOM file without a picture")
    return data


def picture(data: pydicom.Dataset) -> Image.Image:
    """Modality LUT, then VOI LUT or first window, then MONOCHROME1 turned round (DICOM PS3.4 N.2).

    Without a window the range of the values is shown, padding left out.
    """
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

"""Small pictures and DICOM files that tests of the data wing write and read."""

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from deepcovid.data import images

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

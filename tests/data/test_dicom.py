"""dicom.py: a DICOM picture comes as its own tags say, or is refused by name."""

import hashlib

import numpy as np
import pydicom
import pytest
from pictures import GREY, RAMP, close, read, write_dicom

from deepcovid.data import images


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_depths(tmp_path, bits):
    stored = np.rint((2**bits - 1) * RAMP).astype(np.uint8 if bits == 8 else np.uint16)
    path = write_dicom(tmp_path / "d.dcm", stored, bits=bits)
    assert close(read(path), GREY)
    assert images.facts(path) == {
        "sha1": hashlib.sha1(path.read_bytes()).hexdigest(),
        "width": 64,
        "height": 80,
        "mode": f"MONOCHROME2 {bits}",
    }


def test_monochrome1_is_turned_round(tmp_path):
    stored = np.rint(4095 * (1 - RAMP)).astype(np.uint16)
    assert close(read(write_dicom(tmp_path / "d.dcm", stored, "MONOCHROME1")), GREY)
    # padding above all values must come out black, and squeeze nothing
    stored[:10] = 65535
    path = write_dicom(tmp_path / "p.dcm", stored, "MONOCHROME1", 16, PixelPaddingValue=65535)
    found = read(path)
    assert found[:10].max() == 0
    assert close(found[10:], GREY[10:])


def test_window(tmp_path):
    stored = np.rint(4095 * RAMP).astype(np.uint16)
    window = {"WindowCenter": [2048, 100], "WindowWidth": [1024, 10]}
    wanted = 255 * np.clip((stored - 2047.5) / 1023 + 0.5, 0, 1)
    assert close(read(write_dicom(tmp_path / "d.dcm", stored, **window)), wanted)
    inverted = read(write_dicom(tmp_path / "i.dcm", stored, "MONOCHROME1", **window))
    assert close(inverted, 255 - wanted)
    # a window far wider than the picture: the picture stays as flat as the window says
    wide = {"WindowCenter": 2048, "WindowWidth": 8192}
    flat = read(write_dicom(tmp_path / "w.dcm", stored, **wide))
    assert 60 <= flat.min() <= 68 and 187 <= flat.max() <= 195


def test_rescale_comes_before_the_window(tmp_path):
    stored = np.rint(4095 * RAMP).astype(np.uint16)
    rescale = {"RescaleIntercept": -1024, "RescaleSlope": 2, "RescaleType": "US"}
    window = {"WindowCenter": 1024, "WindowWidth": 2048}
    wanted = 255 * np.clip((stored * 2.0 - 1024 - 1023.5) / 2047 + 0.5, 0, 1)
    assert close(read(write_dicom(tmp_path / "d.dcm", stored, **rescale, **window)), wanted)
    down = {"RescaleIntercept": 4095, "RescaleSlope": -1, "RescaleType": "US"}
    assert close(read(write_dicom(tmp_path / "n.dcm", stored, **down)), GREY[:, ::-1])
    path = write_dicom(tmp_path / "m.dcm", stored, **down, WindowCenter=2048, WindowWidth=4096)
    assert close(read(path), GREY[:, ::-1])


def test_voi_lookup_table(tmp_path):
    lut = pydicom.Dataset()
    lut.add_new("LUTDescriptor", "US", [4096, 0, 8])
    lut.add_new("LUTData", "US", [255 - value // 16 for value in range(4096)])
    stored = np.rint(4095 * RAMP).astype(np.uint16)
    path = write_dicom(tmp_path / "d.dcm", stored, VOILUTSequence=[lut])
    assert close(read(path), 255 - stored // 16)


def test_signed(tmp_path):
    stored = np.rint(4095 * RAMP - 2048).astype(np.int16)
    assert close(read(write_dicom(tmp_path / "d.dcm", stored)), GREY)
    window = {"WindowCenter": 0, "WindowWidth": 4096}
    assert close(read(write_dicom(tmp_path / "w.dcm", stored, **window)), GREY)

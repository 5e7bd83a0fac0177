"""dicom.py: a DICOM picture comes as its own tags say, or is refused by name."""

import hashlib

import gdcm
import numpy as np
import pydicom
import pytest
from pictures import GREY, RAMP, close, read, write_dicom
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, get_frame

from imageaudit import dicom, images
from imageaudit.errors import UserError


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
    assert close(read(path), 255 - stored // 16, tolerance=0)
    assert np.asarray(images.open_radiograph(path)).max() == 255


def test_signed(tmp_path):
    stored = np.rint(4095 * RAMP - 2048).astype(np.int16)
    assert close(read(write_dicom(tmp_path / "d.dcm", stored)), GREY)
    window = {"WindowCenter": 0, "WindowWidth": 4096}
    assert close(read(write_dicom(tmp_path / "w.dcm", stored, **window)), GREY)


@pytest.mark.parametrize(
    ("word", "kind"), [("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")]
)
def test_pictures_of_floats(tmp_path, word, kind):
    data = pydicom.dcmread(write_dicom(tmp_path / "d.dcm", np.zeros(RAMP.shape, f"u{kind[1]}")))
    del data.PixelData
    setattr(data, word, (RAMP - 0.5).astype(kind).tobytes())
    data.save_as(tmp_path / "d.dcm")
    assert close(read(tmp_path / "d.dcm"), GREY)


def test_padding_is_black_and_no_part_of_the_range_of_values(tmp_path):
    stored = np.rint(3000 * RAMP + 500).astype(np.uint16)
    stored[:10], stored[10:20] = 4000, 4095
    tags = {"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 4000}
    for kind, wanted in (("MONOCHROME2", GREY), ("MONOCHROME1", GREY[:, ::-1])):
        found = read(write_dicom(tmp_path / "p.dcm", stored, kind, **tags))
        assert found[:20].max() == 0
        assert close(found[20:], wanted[20:])
    one = read(write_dicom(tmp_path / "o.dcm", stored, PixelPaddingValue=4095))
    assert one[:10].min() == 255 and one[10:20].max() == 0  # 4000 counts as a value here
    window = {"WindowCenter": 2000, "WindowWidth": 3001}
    assert read(write_dicom(tmp_path / "w.dcm", stored, **tags, **window))[:20].max() == 0
    assert read(write_dicom(tmp_path / "a.dcm", stored * 0, PixelPaddingValue=0)).max() == 0


def test_padding_below_zero_may_be_written_without_its_sign(tmp_path):
    stored = np.rint(3000 * RAMP - 1000).astype(np.int16)
    stored[:10] = -2000
    path = write_dicom(tmp_path / "s.dcm", stored, bits=16, PixelPaddingValue=-2000)
    assert close(read(path)[10:], GREY[10:])
    data = pydicom.dcmread(path)
    data["PixelPaddingValue"].VR = "US"
    data["PixelPaddingValue"].value = 65536 - 2000
    data.save_as(path)
    assert close(read(path)[10:], GREY[10:])


def compress(source, target, syntax: str):
    """Write `source` anew with a transfer syntax of GDCM."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return target


LOSSLESS = ("JPEGLosslessProcess14", "JPEGLosslessProcess14_1", "JPEGLSLossless",
            "JPEG2000Lossless", "RLELossless", "DeflatedExplicitVRLittleEndian",
            "ExplicitVRBigEndian", "ImplicitVRLittleEndian")  # fmt: skip


def plain(path, bits: int):
    grain = np.random.default_rng(0).integers(0, 60, RAMP.shape)
    stored = np.rint((2**bits - 61) * RAMP) + grain
    return write_dicom(path, stored.astype(np.uint8 if bits == 8 else np.uint16), bits=bits)


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_losslessly_compressed_comes_as_uncompressed(tmp_path, syntax, bits):
    source = plain(tmp_path / "plain.dcm", bits)
    path = compress(source, tmp_path / "packed.dcm", syntax)
    used = pydicom.dcmread(path).file_meta.TransferSyntaxUID
    assert used != pydicom.dcmread(source).file_meta.TransferSyntaxUID
    assert close(read(path), read(source), 0)
    assert images.facts(path)["mode"] == f"MONOCHROME2 {bits}"


@pytest.mark.parametrize("syntax", ["JPEGBaselineProcess1", "JPEGLSNearLossless", "JPEG2000"])
def test_lossily_compressed_comes_nearly_as_uncompressed(tmp_path, syntax):
    source = plain(tmp_path / "plain.dcm", 8)
    assert close(read(compress(source, tmp_path / "packed.dcm", syntax)), read(source), 4)


def test_what_no_decoder_reads_is_refused_with_the_reason(tmp_path):
    path = compress(plain(tmp_path / "x.dcm", 12), tmp_path / "12.dcm", "JPEGExtendedProcess2_4")
    (refusal,) = images.check([path])
    assert "does not support 'JPEG Extended' for samples with 12-bit precision" in refusal
    assert refusal.isprintable()


@pytest.mark.parametrize("syntax", [*LOSSLESS, "JPEGBaselineProcess1", "JPEGLSNearLossless"])
def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path, syntax):
    data = compress(plain(tmp_path / "x.dcm", 8), tmp_path / "whole.dcm", syntax).read_bytes()
    path = tmp_path / "cut.dcm"
    for at in range(100, len(data) - 10, len(data) // 25):
        path.write_bytes(data[:at])
        with pytest.raises(UserError, match=r"cut\.dcm: ."):
            images.open_radiograph(path)
    path.write_bytes(data[: len(data) // 2])
    if syntax.startswith(("JPEG", "RLE")):
        with pytest.raises(UserError, match="cut within"):
            images.open_radiograph(path)


ENCAPSULATED = ("JPEGBaselineProcess1", *LOSSLESS[:5])
# a frame of lossless JPEG that was cut and given an end looks like any other
HALVES = [(s, r) for s in ENCAPSULATED for r in ("nothing", "zeros", "an end")
          if not (s.startswith("JPEGLosslessProcess") and r == "an end")]  # fmt: skip


@pytest.mark.parametrize(("syntax", "rest"), HALVES)
def test_half_a_frame_is_refused_even_if_its_decoder_fills_the_rest(tmp_path, syntax, rest):
    path = compress(plain(tmp_path / "x.dcm", 8), tmp_path / "half.dcm", syntax)
    data = pydicom.dcmread(path)
    frame = get_frame(data.PixelData, 0, number_of_frames=1)
    for share in (0.15, 0.4, 0.6, 0.9):
        half = frame[: int(share * len(frame))].rstrip(b"\xff")
        half += {"nothing": b"", "an end": b"\xff\xd9", "zeros": bytes(len(frame) - len(half))}[
            rest
        ]
        data.PixelData = encapsulate([half])
        data.save_as(path)
        with pytest.raises(UserError, match=r"half\.dcm: ."):
            images.open_radiograph(path)


def test_a_picture_in_colour_is_read_with_8_bits_and_refused_with_more(tmp_path):
    colour = np.stack([GREY, GREY // 2, 255 - GREY], axis=2)
    tags = {
        "SamplesPerPixel": 3,
        "PlanarConfiguration": 0,
        "Rows": len(GREY),
        "Columns": GREY.shape[1],
    }
    path = write_dicom(tmp_path / "c.dcm", colour, "RGB", 8, **tags)
    assert np.array_equal(np.asarray(images.open_radiograph(path)), colour)
    deep = write_dicom(tmp_path / "d.dcm", colour.astype(np.uint16), "RGB", 16, **tags)
    with pytest.raises(UserError, match="DICOM pictures of kind RGB, 16 bit, are not supported"):
        images.open_radiograph(deep)


ODD = 16 * GREY.astype(np.uint16)  # to be shown by the range of its values


def test_a_file_without_preamble_or_the_tag_of_its_encoding_is_read_and_found(tmp_path):
    data = write_dicom(tmp_path / "a.dcm", ODD).read_bytes()
    bare = pydicom.dcmread(tmp_path / "a.dcm")
    bare.file_meta = FileMetaDataset()
    bare.save_as(tmp_path / "bare", implicit_vr=True, little_endian=True)
    (tmp_path / "no preamble").write_bytes(data[132:])
    for name in ("bare", "no preamble"):
        assert close(read(tmp_path / name), GREY)
    assert {path.name for path in images.find(tmp_path)} == {"a.dcm", "bare", "no preamble"}


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": 2000, "WindowWidth": 0.5},
        {"WindowCenter": None, "WindowWidth": 400},
        {"WindowWidth": 400},
        {"RescaleSlope": None, "RescaleIntercept": None},
    ],
)
def test_a_window_or_slope_that_says_nothing_leaves_the_range_of_values(tmp_path, tags):
    path = write_dicom(tmp_path / "x.dcm", ODD, **tags)
    assert close(read(path), GREY)
    with path.open("rb") as file:
        assert dicom.shown_by(images.dicom_header(file)) == "range of values"


def test_a_window_with_decimal_commas_is_a_window(tmp_path):
    path = write_dicom(tmp_path / "x.dcm", ODD, WindowCenter="2047.5", WindowWidth="400.5")
    wanted = read(path)
    path.write_bytes(path.read_bytes().replace(b"2047.5", b"2047,5").replace(b"400.5", b"400,5"))
    assert close(read(path), wanted) and not close(wanted, GREY)

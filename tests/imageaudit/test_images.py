"""images.py: any sane picture is read the right way up, anything else is refused by name."""

import errno
import hashlib
import os
import re
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pictures import GREY, NOISE, RAMP, close, encoded, interlaced, png, read, write_dicom
from PIL import Image, ImageFile

from imageaudit import images
from imageaudit.errors import UserError


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_ordinary_pictures_come_unchanged(tmp_path, suffix, mode):
    path = tmp_path / f"x{suffix}"
    Image.fromarray(GREY).convert(mode).save(
        path, **{"lossless": True} if suffix == ".webp" else {}
    )
    assert close(read(path), GREY, 0)


def test_jpeg_is_exactly_what_pillow_decodes(tmp_path):
    path = tmp_path / "Röntgen bild Ω.jpg"
    Image.fromarray(GREY).save(path, quality=85)
    assert close(read(path), np.asarray(Image.open(path)), 0)


def test_content_decides_not_the_suffix(tmp_path):
    path = tmp_path / "really a png.jpg"
    Image.fromarray(GREY).save(path, "PNG")
    assert close(read(path), GREY, 0)


def test_palette_and_bilevel(tmp_path):
    palette = Image.fromarray(GREY).quantize(64)
    # a palette whose indices run against the brightness: indices must not pass for grey
    palette = palette.remap_palette(list(range(63, -1, -1)))
    palette.save(tmp_path / "p.png")
    palette.save(tmp_path / "p.gif")
    Image.fromarray(GREY > 127).save(tmp_path / "1.tif")
    assert close(read(tmp_path / "p.png"), GREY, 4)
    assert close(read(tmp_path / "p.gif"), GREY, 4)
    assert close(read(tmp_path / "1.tif"), 255 * (GREY > 127), 0)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparent_becomes_black_whatever_colour_it_hides(tmp_path, mode):
    alpha = np.full(GREY.shape, 255, np.uint8)
    alpha[:10], alpha[10:20] = 0, 128
    picture = Image.fromarray(GREY).convert(mode)
    picture.putalpha(Image.fromarray(alpha))
    picture.save(tmp_path / "a.png")
    assert close(read(tmp_path / "a.png"), GREY * (alpha / 255.0))


def test_transparent_palette_entry_becomes_black(tmp_path):
    picture = Image.fromarray(np.where(GREY > 127, 1, 0).astype(np.uint8)).convert("P")
    picture.putpalette([200, 200, 200, 250, 250, 250])
    picture.save(tmp_path / "p.png", transparency=0)
    assert close(read(tmp_path / "p.png"), np.where(GREY > 127, 250, 0), 0)


def test_cmyk_is_not_inverted(tmp_path):
    picture = Image.fromarray(GREY).convert("CMYK")
    picture.save(tmp_path / "c.jpg", quality=95)
    picture.save(tmp_path / "c.tif")
    assert close(read(tmp_path / "c.jpg"), GREY, 6)
    assert close(read(tmp_path / "c.tif"), GREY)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_exif_rotation_is_undone(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    stored = Image.fromarray(GREY).transpose(Image.Transpose.ROTATE_90)
    stored.save(tmp_path / f"r{suffix}", exif=exif)
    assert close(read(tmp_path / f"r{suffix}"), GREY, 3)


def test_interlaced_png(tmp_path):
    path = png(tmp_path / "i.png", interlaced(GREY))
    assert Image.open(path).info.get("interlace")
    assert close(read(path), GREY, 0)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_files_are_scaled_by_the_bits_in_use(tmp_path, suffix, bits):
    deep = np.rint((2**bits - 1) * RAMP).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / f"d{suffix}")
    assert images.facts(tmp_path / f"d{suffix}")["mode"].startswith("I;16")
    assert close(read(tmp_path / f"d{suffix}"), GREY)


def test_16_bit_is_not_stretched_to_its_own_brightest_pixel(tmp_path):
    Image.fromarray((3000 * RAMP).astype(np.uint16)).save(tmp_path / "d.png")
    assert read(tmp_path / "d.png").max() == round(255 * 3000 / 4095)


def test_16_bit_big_endian_png(tmp_path):
    path = png(tmp_path / "b.png", [np.rint(65535 * RAMP).astype(">u2")], depth=16)
    assert close(read(path), GREY)


def test_transparent_value_of_16_bit_png_becomes_black(tmp_path):
    values = np.rint(4095 * RAMP).astype(">u2")
    values[:10] = 65535
    path = png(tmp_path / "g.png", [values], 16, 0, (b"tRNS", struct.pack(">H", 65535)))
    wanted = np.where(values == 65535, 0, GREY)
    assert close(read(path), wanted)


@pytest.mark.parametrize("colour, channels", [(2, 3), (4, 2), (6, 4)])
def test_colour_and_transparency_of_16_bits_are_refused_by_name(tmp_path, colour, channels):
    """Pillow would show their high bytes, black where twelve bits are used, and say nothing."""
    pixels = np.full((*GREY.shape, channels), 4095, ">u2")
    with pytest.raises(UserError, match=r"x\.png: it has colours or transparency of 16 bits"):
        images.open_radiograph(png(tmp_path / "x.png", [pixels], 16, colour))


def test_white_is_zero_16_bit_tiff_is_turned_round(tmp_path):
    deep = Image.fromarray(np.rint(65535 * (1 - RAMP)).astype(np.uint16))
    deep.save(tmp_path / "w.tif", tiffinfo={262: 0})
    assert Image.open(tmp_path / "w.tif").tag_v2[262] == 0
    assert close(read(tmp_path / "w.tif"), GREY)


def test_signed_and_float_tiff(tmp_path):
    Image.fromarray(np.rint(4095 * RAMP - 1024).astype(np.int32)).save(tmp_path / "i.tif")
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / "share.tif")
    Image.fromarray((RAMP * 0.5).astype(np.float32)).save(tmp_path / "half.tif")
    Image.fromarray((RAMP * 7000 - 900).astype(np.float32)).save(tmp_path / "wide.tif")
    for name in ("i", "share", "wide"):
        assert close(read(tmp_path / f"{name}.tif"), GREY), name
    assert close(read(tmp_path / "half.tif"), GREY / 2)
    Image.fromarray(np.full((9, 9), np.nan, np.float32)).save(tmp_path / "nan.tif")
    with pytest.raises(UserError, match=r"nan\.tif: .*finite"):
        images.open_radiograph(tmp_path / "nan.tif")


def bad_files(folder) -> dict[str, str]:
    """Writes one file of every bad kind; name -> what its refusal must say."""
    whole = folder / "good.jpg"
    Image.effect_noise((64, 64), 50).save(whole)
    (folder / "cut.jpg").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    Image.effect_noise((64, 64), 50).save(folder / "whole.png")
    bytes_ = (folder / "whole.png").read_bytes()
    (folder / "cut.png").write_bytes(bytes_[: len(bytes_) // 2])
    (folder / "whole.png").unlink()
    (folder / "empty.jpg").touch()
    (folder / "Krankheit ü.jpg").write_text("This is no picture. " * 20)
    (folder / "folder.png").mkdir()
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body
        data += struct.pack(">I", zlib.crc32(kind + body))
    (folder / "bomb.png").write_bytes(data)
    frames = [Image.new("L", (8, 8), value) for value in (0, 99)]
    for suffix in ("gif", "tif"):
        frames[0].save(folder / f"several.{suffix}", save_all=True, append_images=frames[1:])
    stored = np.zeros((2, 8, 8), np.uint16)
    write_dicom(folder / "frames.dcm", stored, NumberOfFrames=2)
    write_dicom(folder / "huge.dcm", stored[0], Rows=50_000, Columns=50_000)
    write_dicom(folder / "cut.dcm", stored[0], Rows=16)
    bare = pydicom.dcmread(write_dicom(folder / "no picture.dcm", stored[0]))
    del bare.Rows
    bare.save_as(folder / "no picture.dcm")
    return {
        "Krankheit ü.jpg": "no picture of a known format",
        "bomb.png": "pixels",
        "cut.dcm": "expected",
        "cut.jpg": "cut",
        "cut.png": "truncated|broken",
        "empty.jpg": "empty",
        "folder.png": "is a folder",
        "frames.dcm": "2 pictures",
        "huge.dcm": "50000 x 50000",
        "no picture.dcm": "without a picture",
        "not there.jpg": "No such file",
        "several.gif": "2 pictures",
        "several.tif": "2 pictures",
    }


def test_every_refusal_at_once_each_with_file_and_reason(tmp_path):
    bad = bad_files(tmp_path)
    refusals = images.check([tmp_path / name for name in ["good.jpg", *bad]])
    assert len(refusals) == len(bad)
    for refusal, (name, reason) in zip(refusals, bad.items(), strict=True):
        assert refusal.startswith(f"{tmp_path / name}: ") and "\n" not in refusal
        assert re.search(reason, refusal.removeprefix(str(tmp_path / name))), refusal


def test_facts_refuse_what_has_no_header(tmp_path):
    bad_files(tmp_path)
    for name in ("empty.jpg", "Krankheit ü.jpg", "bomb.png", "not there.jpg", "huge.dcm"):
        with pytest.raises(UserError, match=re.escape(name)):
            images.facts(tmp_path / name)


def test_picture_with_a_preview_is_no_multi_frame_file(tmp_path):
    """What many cameras write with suffix .jpg."""
    shot = Image.fromarray(GREY)
    shot.save(tmp_path / "m.jpg", "MPO", save_all=True, append_images=[shot.resize((32, 40))])
    assert Image.open(tmp_path / "m.jpg").format == "MPO"
    assert close(read(tmp_path / "m.jpg"), GREY, 4)


def test_facts_are_of_the_bytes_and_decode_nothing(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    Image.fromarray(GREY).convert("RGBA").save(path)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    assert images.facts(path) == {
        "sha1": hashlib.sha1(path.read_bytes()).hexdigest(),
        "width": 64,
        "height": 80,
        "mode": "RGBA",
    }


def cuts(data: bytes, number: int = 40):
    return range(len(data) // 10, len(data) - 30, max(1, len(data) // number))


KINDS = {
    "jpeg": {"format": "JPEG"},
    "progressive": {"format": "JPEG", "progressive": True},
    "restarts": {"format": "JPEG", "restart_marker_rows": 1},
    "png": {"format": "PNG"},
    "bmp": {"format": "BMP"},
    "gif": {"format": "GIF"},
    "webp": {"format": "WEBP"},
    "tiff": {"format": "TIFF"},
    "lzw": {"format": "TIFF", "compression": "tiff_lzw"},
    "jpeg in tiff": {"format": "TIFF", "compression": "jpeg"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_cut_picture_is_refused_wherever_it_is_cut(tmp_path, kind, mode):
    data, path = encoded(NOISE.convert(mode), **KINDS[kind]), tmp_path / "cut"
    for at in cuts(data):
        path.write_bytes(data[:at])
        with pytest.raises(UserError, match=f"^{re.escape(str(path))}: ."):
            images.open_radiograph(path)


def test_names_are_shown_without_line_ends_and_terminal_codes(tmp_path):
    path = tmp_path / "a\nb\x1b[31mred\u202e.png"
    path.write_text("no picture")
    (refusal,) = images.check([path])
    assert refusal.startswith(str(tmp_path)) and refusal.isprintable()
    assert r"a\nb\x1b[31mred\u202e.png: it is no picture" in refusal


def test_find_knows_suffixes_and_ignores_what_is_hidden(tmp_path):
    seen = ["b b/ä.JPEG", "a.dcm", "b/z.tif", "covid_original_1.jpeg_2.png.jpg"]
    unseen = [
        ".x.jpg",
        "b/._z.tif",
        ".cache/y.png",
        "__MACOSX/a.jpg",
        "notes.txt",
        "fingerprint.csv",
    ]
    for name in seen + unseen:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "dangling.png").symlink_to(tmp_path / "gone.png")
    found = images.find(tmp_path)
    assert sorted([*seen, "dangling.png"]) == sorted(
        p.relative_to(tmp_path).as_posix() for p in found
    )
    assert found == sorted(found)
    with pytest.raises(UserError, match="nowhere"):
        images.find(tmp_path / "nowhere")


def test_a_file_that_cannot_be_opened_is_found_to_be_refused_by_name(tmp_path, monkeypatch):
    (tmp_path / "IM-0001").touch()
    broken = OSError(errno.EIO, "Input/output error")
    monkeypatch.setattr(Path, "open", lambda *_: (_ for _ in ()).throw(broken))
    (path,) = images.find(tmp_path)
    assert images.refusal(path) == f"{path}: Input/output error"


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 1199)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it was decoded"))
    for read_it in (images.open_radiograph, images.facts):
        with pytest.raises(UserError, match=r"40 x 30 pixels are too many"):
            read_it(tmp_path / "a.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_with_the_name_of_a_picture_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (path,) = images.find(tmp_path)
    for read_it in (images.open_radiograph, images.facts):
        with pytest.raises(UserError, match=r"pipe\.png: it is a pipe"):
            read_it(path)


def test_find_knows_pictures_by_content_where_the_suffix_says_nothing(tmp_path):
    stored = np.zeros((8, 8), np.uint16)
    named = ["IM-0001", "b.dicom", "series/c.IMA", "D.DCM", "1.2.840.113", "e.jfif", "F.JPG", "g"]
    for name in named:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if name in ("e.jfif", "F.JPG", "g"):
            NOISE.save(path, "PNG" if name == "g" else "JPEG")
        else:
            write_dicom(path, stored)
    write_dicom(tmp_path / "DICOMDIR", stored)
    write_dicom(tmp_path / ".IM-0002", stored)
    (tmp_path / "notes.txt").write_text("some DICM" * 99)
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    assert images.find(tmp_path) == sorted(tmp_path / name for name in named)
    assert images.check(images.find(tmp_path)) == []


def test_reads_in_threads_and_leaves_pillow_alone(tmp_path):
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    paths = []
    for index in range(60):
        paths.append(tmp_path / f"{index}{images.SUFFIXES[index % 8]}")
        Image.new("L", (40, 30), 4 * index).save(paths[-1])
    with ThreadPoolExecutor(8) as pool:
        values = [np.median(picture) for picture in pool.map(images.open_radiograph, paths)]
    assert np.allclose(values, 4 * np.arange(60), atol=2)
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)

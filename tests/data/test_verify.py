"""verify.py: a copy of the release is told from it, image by image."""

import shutil
import warnings

import pandas as pd
import pytest
from conftest import SHARED
from PIL import Image
from releases import picture, release, ship

from deepcovid.data import sources, verify
from deepcovid.runs import UserError

REAL = SHARED / "data" / "covid-xray-5k"


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A whole copy of a release of eight images, two with the same content, one an RGBA PNG."""
    files = release("")
    names = list(files)
    files[names[1]] = files[names[0]]
    files = {(k[:-3] + "png" if k == names[3] else k): v for k, v in files.items()}
    rows = [(*name.split("/"), "", data) for name, data in files.items()]
    # names are unique in the real list, over all folders
    rows = [(s, c, f"{s} {c} {n}", source, data) for s, c, n, source, data in rows]
    ship(monkeypatch, tmp_path, rows)
    folder = tmp_path / "my copy"
    for split, label, name, _, data in rows:
        path = folder / split / label / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_whole_copy(copy):
    found = verify.verify(copy)
    assert len(found.present) == 8 and found.sound
    assert not any((found.repacked, found.named, found.changed, found.missing, found.foreign))
    assert "8 of the 8" in str(found) and "whole and unchanged" in str(found)


def test_missing_changed_foreign(copy):
    paths = sorted(copy.rglob("*.*g"))  # test/covid 0 1, test/non 2 3, train/covid 4 5, non 6 7
    place = [path.relative_to(copy).as_posix() for path in paths]
    paths[0].unlink()
    paths[1].write_bytes(picture(500))  # of the right size: tampered with
    paths[2].write_bytes(paths[2].read_bytes()[:400])
    paths[3].write_bytes(picture(501, (60, 20)))
    (copy / "train" / "covid" / "foreign.jpg").write_bytes(picture(502))
    (copy / "masks").mkdir()
    (copy / "masks" / "mask.png").write_bytes(picture(503))
    (copy / "train" / "notes.txt").write_text("no image")
    again = copy / "train" / "non" / "again"
    again.mkdir()
    shutil.copy(paths[7], again)
    found = verify.verify(copy)
    assert found.present == place[4:]
    assert found.missing == [place[0]]
    assert found.changed == place[1:4]
    assert len(found.foreign) == 2 and "train/covid/foreign.jpg" in found.foreign
    assert not found.sound


def test_an_image_in_another_class_or_split_is_missing_in_its_own(copy):
    path = next((copy / "train" / "covid").iterdir())
    gone = path.relative_to(copy).as_posix()
    for place in ("train/non", "test/covid", "train", "elsewhere"):
        target = copy / place / path.name
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
        assert verify.verify(copy).missing == [gone]
        target.rename(path)
    deeper = path.parent / "hospital B" / path.name
    deeper.parent.mkdir()
    path.rename(deeper)
    (copy / "train" / "covid").rename(copy / "train" / "COVID")
    (copy / "test").rename(copy / "Test")
    assert verify.verify(copy).sound


def test_a_mask_does_not_stand_in_for_a_missing_image(copy):
    path = next((copy / "train" / "non").iterdir())
    gone = path.relative_to(copy).as_posix()
    mask = Image.new("1", (24, 20))
    mask.paste(1, (5, 5, 9, 9))
    for place in ("lung-masks/train/non", "lesion-masks/train/non"):
        (copy / place).mkdir(parents=True)
        mask.save(copy / place / path.name, "PNG")
    path.unlink()
    found = verify.verify(copy)
    assert found.missing == [gone] and found.repacked == found.foreign == []
    mask.resize((12, 10)).save(path, "PNG")  # in the very place of the image
    found = verify.verify(copy)
    assert found.changed == [gone] and not found.missing and not found.sound


def test_of_an_image_of_unknown_size_only_the_name_is_compared(copy):
    table = pd.read_csv(sources.LIST)
    places = table.split + "/" + table.label + "/" + table.name
    table.loc[[0, 1, 2], ["width", "height"]] = None
    table.astype({"width": "Int64", "height": "Int64"}).to_csv(sources.LIST, index=False)
    (copy / places[0]).write_bytes(picture(700, (11, 17)))
    (copy / places[1]).write_text("no picture")
    (copy / places[2]).unlink()
    found = verify.verify(copy)
    assert (found.named, found.changed, found.missing) == tuple([p] for p in places[:3])
    assert "only the name could be compared" in str(found) and not found.sound
    (copy / places[1]).write_bytes(picture(701))
    (copy / places[2]).write_bytes(picture(702))
    found = verify.verify(copy)
    assert found.sound and len(found.named) == 3 and "unchanged" not in str(found)


def test_names_are_shown_without_terminal_codes(copy):
    (copy / "train" / "non" / "a\n\x1b[2J.jpg").write_bytes(picture(800))
    assert r"train/non/a\n\x1b[2J.jpg" in str(verify.verify(copy))


def test_downsized_copy_is_said_to_be_repacked(copy):
    for path in sorted(copy.rglob("*.*g")):
        name = path.name if path.suffix == ".jpg" else path.name + ".jpg"
        with Image.open(path) as image:
            small = image.resize((12, 10))
        path.unlink()
        small.save(path.with_name(name), "JPEG")
    kept = next((copy / "test" / "non").iterdir())
    small.resize((24, 20)).save(kept)  # too small to be downsized, but encoded anew
    broken = next((copy / "train" / "non").iterdir())
    broken.write_bytes(broken.read_bytes()[:300])
    found = verify.verify(copy)
    assert (len(found.repacked), len(found.changed), len(found.missing)) == (7, 1, 0)
    assert found.present == [] and found.foreign == []
    assert "repacked copy: 7 images" in str(found)


def test_long_lists_are_cut(copy):
    for number in range(25):
        (copy / "train" / "non" / f"{number}.jpg").write_bytes(picture(600 + number))
    text = str(verify.verify(copy))
    assert "25 foreign" in text and "... and 15 more" in text and len(text.splitlines()) == 13


def test_verify_needs_a_folder(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        verify.verify(tmp_path / "nowhere")


@pytest.mark.slow
def test_real_copy_is_a_repacked_one():
    if not REAL.is_dir():
        pytest.skip("the radiographs (../shared/data/covid-xray-5k) are not here")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = verify.verify(REAL)
    # of five the size is unknown, so that nothing but the name can be compared
    counts = [len(part) for part in (found.repacked, found.named, found.changed, found.missing)]
    assert counts == [5515, 5, 0, 0] and found.sound
    assert found.present == found.foreign == []
    fingerprint = pd.read_csv(REAL / "fingerprint.csv", dtype=str, keep_default_na=False)
    shipped = sources.known()[fingerprint.columns.drop("packed")]
    pd.testing.assert_frame_equal(shipped, fingerprint.drop(columns="packed"))

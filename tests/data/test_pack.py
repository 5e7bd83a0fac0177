"""pack.py: a copy of the release is told from it, image by image."""

import shutil
import warnings

import pandas as pd
import pytest
from conftest import SHARED
from PIL import Image
from releases import picture, release, ship

from deepcovid.data import originals, pack
from deepcovid.runs import UserError

REAL = SHARED / "data" / "covid-xray-5k"


def verified(folder) -> dict[str, list[str]]:
    """The paths of each state."""
    return pack.verify(folder).groupby("state").path.agg(sorted).to_dict()


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
    found = pack.verify(copy)
    assert len(found) == 8 and (found.state == "original").all() and pack.is_whole(found)


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
    found = verified(copy)
    foreign = found.pop("foreign")
    assert len(foreign) == 2 and "train/covid/foreign.jpg" in foreign
    place[7] += ".jpg"  # under the name that ours has
    assert found == {"original": place[4:], "missing": [place[0]], "different": place[1:4]}


def test_an_image_in_another_class_or_split_is_missing_in_its_own(copy):
    path = next((copy / "train" / "covid").iterdir())
    gone = path.relative_to(copy).as_posix()
    for place in ("train/non", "test/covid", "train", "elsewhere"):
        target = copy / place / path.name
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
        assert verified(copy)["missing"] == [gone]
        target.rename(path)


def test_a_mask_does_not_stand_in_for_a_missing_image(copy):
    path = next((copy / "train" / "non").iterdir())
    gone = path.relative_to(copy).as_posix()
    mask = Image.new("1", (24, 20))
    mask.paste(1, (5, 5, 9, 9))
    for place in ("lung-masks/train/non", "lesion-masks/train/non"):
        (copy / place).mkdir(parents=True)
        mask.save(copy / place / path.name, "PNG")
    path.unlink()
    found = verified(copy)
    assert found["missing"] == [gone] and set(found) == {"original", "missing"}
    mask.resize((12, 10)).save(path, "PNG")  # in the very place of the image
    found = verified(copy)
    assert found["different"] == [gone] and set(found) == {"original", "different"}


def test_names_are_shown_without_terminal_codes(copy):
    (copy / "train" / "non" / "a\n\x1b[2J.jpg").write_bytes(picture(800))
    assert r"train/non/a\n\x1b[2J.jpg" in pack.report(pack.verify(copy))


def test_a_copy_that_was_packed_as_ours_is_told_by_its_bytes(copy, tmp_path, monkeypatch):
    rows = []
    for path in sorted(copy.rglob("*.*g")):
        target = path if path.suffix == ".jpg" else path.with_name(path.name + ".jpg")
        made = tmp_path / "made.jpg"
        pack.pack_image(path, made)
        path.unlink()
        made.rename(target)
        place = f"covid-xray-5k/{target.relative_to(copy).as_posix()}"
        rows.append((place, originals.blob_sha1(target), "release", ""))
    table = pd.DataFrame(rows, columns=["path", "git_blob_sha1", "origin", "file"])
    table.to_csv(tmp_path / "packed.csv", index=False)
    monkeypatch.setattr(originals, "PACKED", tmp_path / "packed.csv")
    found = pack.verify(copy)
    assert len(found) == 8 and (found.state == "the same").all() and pack.is_whole(found)
    target.write_bytes(target.read_bytes() + b" ")
    found = pack.verify(copy)
    assert found.state.value_counts().to_dict() == {"the same": 7, "different": 1}
    assert not pack.is_whole(found)


def test_long_lists_are_cut(copy):
    for number in range(25):
        (copy / "train" / "non" / f"{number}.jpg").write_bytes(picture(600 + number))
    text = pack.report(pack.verify(copy))
    assert "25 foreign" in text and "... and 15 more" in text and len(text.splitlines()) == 15


def test_verify_needs_a_folder(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        pack.verify(tmp_path / "nowhere")


@pytest.mark.slow
def test_real_copy_is_the_packed_one():
    if not REAL.is_dir():
        pytest.skip("the radiographs (../shared/data/covid-xray-5k) are not here")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pack.verify(REAL)
    assert len(found) == 5520 and (found.state == "the same").all()
    fingerprint = pd.read_csv(REAL / "fingerprint.csv", dtype=str, keep_default_na=False)
    shipped = originals.known()[fingerprint.columns.drop("packed")].reset_index(drop=True)
    pd.testing.assert_frame_equal(shipped, fingerprint.drop(columns="packed"))

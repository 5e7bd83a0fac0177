"""The phantom: the same everywhere, lesions known exactly, nothing else between the classes."""

import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepcovid.data import phantom
from deepcovid.data.phantom import FINDINGS, GROUPS, SHORTCUTS, radiograph, write
from deepcovid.runs import UserError

SIZE = 96
FEW = dict.fromkeys(GROUPS, 3)


def files(folder):
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*.png")}


def pixels(path):
    return np.asarray(Image.open(path))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp("phantom") / "data", 0, FEW, SIZE)


def drawn_by_group(group, number):
    cases = itertools.islice(phantom.cases(0, group), number)
    return [radiograph(finding, seed, SIZE, view=view) for _, finding, seed, view in cases]


@pytest.fixture(scope="module")
def classes():
    return {name: drawn_by_group(("train", name), 150) for name in ("covid", "non")}


def test_the_same_seed_draws_the_same_in_another_process():
    code = (
        "import sys, hashlib; from deepcovid.data.phantom import radiograph;"
        "[sys.stdout.write(hashlib.sha256(radiograph(f, 7, 64).image).hexdigest() + ' ')"
        " for f in ('Edema', 'COVID-19')]"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = [hashlib.sha256(radiograph(f, 7, 64).image).hexdigest() for f in ("Edema", "COVID-19")]
    assert run.stdout.split() == here


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_changes_its_lesion_mask_and_nothing_else(finding):
    visible = []
    for seed in range(3):
        with_it, without = (radiograph(f, seed, SIZE) for f in (finding, "No Finding"))
        change = np.abs(with_it.image.astype(int) - without.image)
        assert not change[~with_it.lesion].any()
        assert np.array_equal(with_it.lungs, without.lungs)
        visible.append(change[with_it.lesion].mean() if with_it.lesion.any() else 0)
    assert np.mean(visible) == 0 if finding == "No Finding" else np.mean(visible) > 3


def test_images_and_masks_have_the_promised_form():
    drawn = radiograph("COVID-19", 0, SIZE)
    assert drawn.image.shape == drawn.lesion.shape == drawn.lungs.shape == (SIZE, SIZE)
    assert (drawn.image.dtype, drawn.lesion.dtype, drawn.lungs.dtype) == (np.uint8, bool, bool)


@pytest.mark.slow
def test_lungs_are_dark_and_two_of_plausible_size(classes):
    for drawn in classes["covid"][:20]:
        labels, _ = ndimage.label(drawn.lungs)
        areas = np.sort(np.bincount(labels.ravel())[1:])[::-1] / SIZE**2
        assert 0.06 < areas[1] <= areas[0] < 0.25  # the two lungs, of the whole image
    normal = [d for d in classes["non"] if not d.lesion.any()]
    for drawn in normal:
        ring = ndimage.binary_dilation(drawn.lungs, iterations=8) & ~drawn.lungs
        assert drawn.image[drawn.lungs].mean() < drawn.image[ring].mean() - 25


def test_covid_lesions_are_bilateral_peripheral_and_low(classes):
    distances, heights, in_both = [], [], 0
    for drawn in classes["covid"]:
        near = ndimage.binary_dilation(drawn.lungs, iterations=2)
        assert (drawn.lesion & near).sum() > 0.8 * drawn.lesion.sum() > 0
        middle = np.nonzero(drawn.lungs)[1].mean()
        rows, cols = np.nonzero(drawn.lesion & drawn.lungs)
        right = (cols < middle).mean()
        in_both += 0.05 < right < 0.95
        lung_rows, lung_cols = np.nonzero(drawn.lungs)
        heights.append(rows.mean() - lung_rows.mean())
        distances.append(np.abs(cols - middle).mean() - np.abs(lung_cols - middle).mean())
    assert in_both > 0.9 * len(classes["covid"])
    assert np.mean(heights) > 0.03 * SIZE  # lower than the lung's centre
    assert np.mean(distances) > 0.02 * SIZE  # farther out than the lung's centre


def auc(features, labels):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    scores = cross_val_predict(model, features, labels, cv=5, method="decision_function")
    return roc_auc_score(labels, scores)


def test_only_the_lesions_separate_the_classes(classes):
    labels = np.repeat([1, 0], 150)
    images = np.stack([d.image for name in ("covid", "non") for d in classes[name]]).astype(float)
    inner = np.zeros((SIZE, SIZE), bool)
    inner[8:-8, 8:-8] = True
    border = images[:, ~inner].reshape(300, -1)[:, ::8]
    assert 0.4 < auc(border, labels) < 0.6
    assert 0.4 < roc_auc_score(labels, images.mean((1, 2))) < 0.6
    small = images.reshape(300, 16, 6, 16, 6).mean((2, 4)).reshape(300, -1)
    assert 0.7 < auc(small, labels) < 0.97  # while whole images can be told apart, with errors


def test_another_view_shows_the_same_patient_differently():
    first, second, other = (radiograph("COVID-19", 5, SIZE, view=v) for v in (0, 1, 0))
    assert np.array_equal(first.image, other.image)
    assert not np.array_equal(first.image, second.image)

    share = [d.lesion.sum() / d.lungs.sum() for d in (first, second)]
    assert share[0] == pytest.approx(share[1], abs=0.1)


def test_each_shortcut_changes_what_it_says_and_nothing_else():
    plain = radiograph("COVID-19", 3, SIZE)
    grey = plain.image.astype(int)
    planted = {name: radiograph("COVID-19", 3, SIZE, name) for name in SHORTCUTS}
    for drawn in planted.values():
        assert np.array_equal(drawn.lesion, plain.lesion)
        assert np.array_equal(drawn.lungs, plain.lungs)
    changed = planted["marker"].image != plain.image
    assert changed.any()
    assert not changed[SIZE // 5 :].any() and not changed[:, SIZE // 5 :].any()
    assert (planted["marker"].image[changed] == 255).all()
    edge = SIZE // 16
    inside = np.s_[edge:-edge, edge:-edge]
    assert np.array_equal(planted["border"].image[inside], plain.image[inside])
    assert planted["border"].image.sum() == planted["border"].image[inside].sum()
    assert plain.image.sum() > plain.image[inside].sum()
    assert np.array_equal(planted["brightness"].image, np.minimum(grey + 30, 255))
    tint = planted["tint"].image
    assert tint.shape == (SIZE, SIZE, 3) and tint.dtype == np.uint8
    assert np.array_equal(tint[..., 0], plain.image)
    assert tint[..., 0].mean() > tint[..., 1].mean() > tint[..., 2].mean()


def test_the_folder_holds_images_and_masks_by_split_and_class(written):
    found = files(written)
    images = [n for n in found if "masks" not in n]
    assert len(images) == 12 and len(found) == 36
    for name in images:
        split, label, file = name.split("/")
        assert (split, label) in GROUPS
        assert file.startswith("covid-phantom") == (label == "covid")
        assert label == "covid" or file.split("-phantom")[0] in FINDINGS
        lesion, lungs = (Image.open(found[f"{k}-masks/{name}"]) for k in ("lesion", "lung"))
        assert lesion.mode == lungs.mode == "1"
        assert lesion.size == lungs.size == Image.open(found[name]).size == (SIZE, SIZE)
        has_lesion = np.asarray(lesion).any()
        assert has_lesion != file.startswith("No Finding")
    assert [p.name for p in written.parent.iterdir()] == [written.name]


def test_an_image_depends_on_the_seed_and_not_on_the_counts(written, tmp_path):
    more = write(tmp_path / "more", 0, {("test", "non"): 1, ("train", "covid"): 5}, SIZE)
    common = files(more).keys() & files(written).keys()
    assert len(common) == 3 * (1 + 3)
    for name in common:
        assert np.array_equal(pixels(files(more)[name]), pixels(files(written)[name]))
    other = write(tmp_path / "other", 1, {("train", "covid"): 1}, SIZE)
    name = "train/covid/covid-phantom00000-1.png"
    assert not np.array_equal(pixels(other / name), pixels(written / name))


def test_patients_keep_to_one_group_and_some_have_two_images():
    patients, groups = {}, GROUPS + phantom.BESIDE
    for group in groups:
        names = [name for name, *_ in itertools.islice(phantom.cases(0, group), 200)]
        assert len(set(names)) == 200
        patients[group] = [name.split("phantom")[1][:5] for name in names]
    for one, other in itertools.combinations(groups, 2):
        assert not set(patients[one]) & set(patients[other])
    assert 150 < len(set(patients["train", "covid"])) < 195
    assert len(set(patients["train", "non"])) == 200


def test_every_finding_is_met_and_no_finding_most():
    names = [f for _, f, *_ in itertools.islice(phantom.cases(0, ("train", "non")), 300)]
    assert set(names) == FINDINGS.keys() - {"COVID-19"}
    assert max(set(names), key=names.count) == "No Finding"
    assert sum(often for _, often in FINDINGS.values()) == pytest.approx(1)


def test_a_shortcut_is_planted_in_one_class_only(written, tmp_path):
    planted = write(tmp_path / "planted", 0, FEW, SIZE, "brightness")
    assert files(planted).keys() == files(written).keys()
    for name, path in files(planted).items():
        same = np.array_equal(pixels(path), pixels(files(written)[name]))
        assert same == ("masks" in name or "/covid/" not in name)


def test_a_folder_with_something_in_it_is_refused_and_kept(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match=str(tmp_path)):
        write(tmp_path, 0, FEW, SIZE)
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_an_empty_folder_is_filled(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    assert write(folder, 0, {("train", "non"): 1}, 32) == folder
    assert len(files(folder)) == 3


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(phantom, "radiograph", broken)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "data", 0, FEW, SIZE)
    assert not list(tmp_path.iterdir())


def test_mottle_is_an_image_s_own_and_changes_nothing_else():
    plain, noisy = (radiograph("Edema", 5, SIZE, mottle=m) for m in (0, 6))
    noise = noisy.image.astype(int) - plain.image
    inside = (plain.image > 30) & (plain.image < 225)  # neither black nor white cuts it off
    assert abs(noise[inside].mean()) < 1 and 5 < noise[inside].std() < 7
    assert np.array_equal(noisy.lesion, plain.lesion) and np.array_equal(noisy.lungs, plain.lungs)
    assert np.array_equal(noisy.image, radiograph("Edema", 5, SIZE, mottle=6).image)
    other = [radiograph("Edema", 5, SIZE, view=1, mottle=m).image.astype(int) for m in (0, 6)]
    assert abs(np.corrcoef(noise[inside], (other[1] - other[0])[inside])[0, 1]) < 0.3

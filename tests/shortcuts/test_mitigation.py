import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import changed, user_error
from PIL import Image

from deepcovid import profiles, runs
from deepcovid.data import audit, augmentation, manifest, phantom
from deepcovid.metrics import intervals
from deepcovid.models import lungs
from deepcovid.models.preprocessing import Preprocessing
from deepcovid.models.run import Run
from deepcovid.shortcuts import encoders, mitigation
from deepcovid.shortcuts.ablations import FRAME
from deepcovid.shortcuts.probing import Candidate, Images
from imageaudit import images

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast

HERE = Path("test/covid/one.png")
STEPS = {"nothing": ("none",), "equalised": ("equalise",), "cut": ("crop_lungs", "downsample")}


def grainy(path, target) -> None:
    """The picture with grain of its own: smooth small phantoms are alike enough to pass for doubles."""
    pixels = np.asarray(Image.open(path)).astype(int)
    grain = np.random.default_rng(list(path.name.encode())).integers(-8, 9, pixels.shape)
    Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8)).save(target)


@pytest.fixture(scope="module")
def tinted(tmp_path_factory):
    """A dataset whose COVID-19 images have a tint, another hospital's that have none, a segmenter."""
    folder = tmp_path_factory.mktemp("mitigation")
    counts = dict(zip(phantom.GROUPS, (40, 40, 20, 20), strict=True))
    phantom.write(folder / "data", 3, counts, 96, "tint")
    phantom.write(folder / "drawn", 4, counts, 96)
    for name in ("covid", "non"):
        (folder / "outside" / name).mkdir(parents=True)
        for path in (folder / "drawn" / "test" / name).iterdir():
            grainy(path, folder / "outside" / name / f"other-{path.name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiles, "RUNS", folder / "runs")
        patch.setattr(mitigation, "STEPS", STEPS)
        patch.setattr(mitigation, "MORE", {"moved copies": {"copies": 1}})
        patch.setattr(lungs, "fit", partial(lungs.fit, epochs=4))
        given = {
            "data": folder / "data",
            "external": folder / "outside",
            "preprocessing": "equalise",
        }
        given |= {"models": "squeezenet", "device": "cpu"}
        run = Run.open("demo", given)
        manifest.run(run.profile)
        augmentation.run(run.profile)
        audit.run(run.profile)
        yield run, mitigation.run(run)


def test_the_lungs_lie_elsewhere_in_a_picture_that_is_cut_to_them(tmp_path, monkeypatch):
    def bright(network, pictures):
        size = (lungs.SIZE, lungs.SIZE)
        small = (one.convert("L").resize(size, Image.Resampling.NEAREST) for one in pictures)
        return np.array([np.asarray(one) > 128 for one in small])

    pixels = np.zeros((96, 96), np.uint8)
    pixels[24:72, 24:72] = 255
    Image.fromarray(pixels).save(path := tmp_path / "a.png")
    monkeypatch.setattr(lungs, "find", bright)
    monkeypatch.setattr(encoders.FeatureBank, "segmenter", torch.nn.Identity())
    of = pd.DataFrame({"path": [path], "sha1": images.facts(path)["sha1"]})
    kept = SimpleNamespace(profile=SimpleNamespace(features=tmp_path / "kept"))
    bank = encoders.FeatureBank(kept, of)
    whole, equal, cut = (
        bank.framing(of, steps)[0] for steps in ((), ("equalise",), ("crop_lungs",))
    )
    assert whole[-1] == pytest.approx(0.25, abs=0.02) and np.array_equal(whole, equal)
    assert cut[-1] > 2 * whole[-1]


def test_a_tint_is_seen_in_the_border_and_it_is_not_kept(tinted):
    _, table = tinted
    rows = table.set_index("step")
    assert rows.loc["nothing", "cv_border"] > 0.95 > 0.8 > rows.loc["equalised", "cv_border"]
    assert rows.gap["equalised"] > rows.gap["nothing"] and not rows.chosen["nothing"]
    assert rows.chosen.sum() == 1 and len(table) == len(STEPS) + 1
    assert (
        rows.wins.sum() == pytest.approx(1) and rows.gap.between(rows.gap_low, rows.gap_high).all()
    )
    # no external image is tinted: what depended on the tint is lost there
    assert rows.test["nothing"] > rows.external["nothing"]
    assert table[["cv", "test", "external", "source"]].stack().between(0, 1).all()
    assert (rows[["positives", "negatives"]] == 20).all(axis=None)


def test_a_finished_table_is_read(tinted, monkeypatch):
    run, table = tinted
    monkeypatch.setattr(mitigation, "row", None)
    pd.testing.assert_frame_equal(mitigation.run(run), table)
    pd.testing.assert_frame_equal(pd.read_csv(run.folder / "mitigation.csv"), table)


def test_the_external_images_decide_nothing(tinted, tmp_path):
    run, table = tinted
    other = tmp_path / "swapped"
    shutil.copytree(f"{run.profile.external}/covid", other / "non")
    shutil.copytree(f"{run.profile.external}/non", other / "covid")
    again = changed(run, external=str(other))
    audit.run(again.profile)
    found = mitigation.run(again)
    ours = ["cv", "cv_border", "cv_frame", "gap", "chosen", "test", "test_border"]
    pd.testing.assert_frame_equal(found[ours], table[ours])
    np.testing.assert_allclose(found.external, 1 - table.external)


def test_the_widest_gap_is_kept_whatever_happens_elsewhere():
    table = pd.DataFrame({
        "cv": [0.99, 0.90, 0.80], "cv_border": [0.98, 0.60, 0.55], "cv_frame": [0.5, 0.7, 0.55],
        "external": [0.99, 0.5, 0.5], "test": [0.99, 0.5, 0.5],
    })  # fmt: skip
    assert mitigation.chosen(table) == 2
    np.testing.assert_allclose(mitigation.with_gap(table).gap, [0.01, 0.20, 0.25])


def test_a_step_that_wins_by_one_patient_wins_about_as_often_as_others():
    """Two steps are the same but for one patient; a third is far behind and never wins."""
    random = np.random.default_rng(0)
    patient = np.arange(80)
    label = patient % 2
    good = np.clip(0.3 * label + 0.7 * random.random(80), 0, 1)
    better = good.copy()
    better[1], better[0] = 1, 0.9
    even = np.full(80, 0.5)
    steps = [good, better, even]
    table = pd.DataFrame({
        "cv_scores": [list(s) for s in steps], "cv_border_scores": [list(even)] * 3,
        "cv_frame_scores": [list(even)] * 3,
    })  # fmt: skip
    found = mitigation.with_resamples(table, label, patient)
    assert found.wins.sum() == pytest.approx(1) and found.wins[2] == 0
    assert (found.wins[:2] > 0.1).all()
    low, high = np.quantile(intervals.resample_auc(label, good, patient), (0.025, 0.975))
    assert (found.gap_low[0], found.gap_high[0]) == pytest.approx((low - 0.5, high - 0.5))
    assert (found.gap_low[2], found.gap_high[2]) == (0, 0)


def laid(of: pd.DataFrame) -> mitigation.Data:
    """The images of a table, all of them for training."""
    data = mitigation.Data.__new__(mitigation.Data)
    data.train = np.ones(len(of), bool)
    Images.__init__(data, of, None, ["any"], data.train)
    return data


def test_matched_weights_give_both_classes_the_same_views():
    of = pd.DataFrame({
        "label": [1, 1, 1, 0, 0, 0, 0, 0], "view": ["AP", "AP", "PA", "AP", "PA", "PA", "PA", "L"],
        "group": "any",
    })  # fmt: skip
    plain, matched = (Candidate("train", "any", (), matched=each) for each in (False, True))
    weight = laid(of).weights(matched, np.arange(8))
    assert weight[-1] == 0
    mixes = [of[of.label == k].assign(weight=weight[of.label == k]) for k in (0, 1)]
    mixes = [mix[mix["view"] != "L"].groupby("view").weight.sum() for mix in mixes]
    pd.testing.assert_series_equal(mixes[0] / mixes[0].sum(), mixes[1] / mixes[1].sum())
    assert (laid(of).weights(plain, np.arange(8)) == 1).all()
    with user_error("No view occurs in both"):
        laid(of[of["view"] != "PA"].drop(index=3)).weights(matched, np.arange(4))


def test_moved_copies_are_fitted_with_their_originals_and_never_scored():
    """A copy of an image that is held out would tell its label: its group is held out with it."""
    group = np.repeat(np.arange(30), 4)
    label = np.random.default_rng(0).integers(0, 2, 30)[group]
    data = laid(pd.DataFrame({"group": group.astype(str), "label": label}))
    values = np.concatenate([np.eye(30)[group]] * 3)
    candidate = Candidate("train", "any", (), copies=2)
    scores = data.scores(candidate, values, "table")
    assert scores.held.shape == (1, 120) and scores.every.shape == (120,)
    assert intervals.auc(label, scores.every) > 0.95
    assert intervals.auc(label, scores.held[0]) < 0.7


def test_moved_pictures_depend_on_copy_and_name_only(tinted):
    run, _ = tinted
    path = run.data / run.manifest.image[0]
    picture = images.open_radiograph(path)
    first, again, other = (
        np.asarray(encoders.changed(picture, path, None, False, k)) for k in (1, 1, 2)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    border = np.asarray(encoders.changed(picture, path, None, True, 0))
    inside = np.asarray(picture).copy()
    inside[:12] = inside[-12:] = inside[:, :12] = inside[:, -12:] = 0
    assert np.array_equal(np.asarray(picture) - inside, border) and inside.any()
    assert f"outer {50 * (1 - encoders.SIDE):.3g}% of each side" == FRAME


def test_the_border_is_that_of_the_picture_before_it_was_cut():
    """A cut to the middle leaves nothing of it; a cut beside the edge only what lay at the edge."""
    picture = Image.new("RGB", (80, 80), (200, 200, 200))

    def seen(left, right):
        lung = np.zeros((lungs.SIZE, lungs.SIZE), bool)
        lung[30:60, round(left * lungs.SIZE) : round(right * lungs.SIZE)] = True
        prepare = Preprocessing(
            ("crop_lungs", "downsample"), lungs.segmenter().eval(), {HERE: lung}
        )
        return np.asarray(encoders.changed(picture, HERE, prepare, True, 0))[..., 0]

    assert not seen(0.3, 0.7).any()
    shown = (seen(0.0, 0.5) > 0).mean(0)
    assert (shown[: round(0.125 / 0.53 * 96) - 1] == 1).all()  # the margin widens the cut to 0.53
    assert (shown[round(0.125 / 0.53 * 96) + 1 :] == 0).all()


def test_the_border_says_how_much_of_the_lungs_it_shows():
    """Of lungs that fill the picture, all but the centre; pictures without lungs do not count."""
    size, of = lungs.SIZE, pd.DataFrame({"path": ["whole", "none", "outside"]})
    whole, none = np.ones((size, size), bool), np.zeros((size, size), bool)

    data = SimpleNamespace(of=of, train=pd.Series([True, True, False]))
    data.bank = SimpleNamespace(lungs={"whole": whole, "none": none, "outside": none})
    assert mitigation.Data.border_lung(data) == pytest.approx(1 - encoders.SIDE**2)
    data.train = pd.Series([False, True, False])
    assert np.isnan(mitigation.Data.border_lung(data))


def test_without_an_external_folder_there_is_nothing_to_decide(run, tmp_path):
    for opened in (run, changed(run, external=str(tmp_path))):
        assert mitigation.run(opened).empty and not (opened.folder / "mitigation.csv").exists()


def test_the_robust_profile_prepares_as_was_chosen():
    table = pd.read_csv(runs.RESULTS / "robust" / "mitigation.csv")
    assert mitigation.chosen(table) == int(table.chosen.to_numpy().argmax())
    kept, robust = table.iloc[mitigation.chosen(table)], profiles.load("robust")
    assert set(robust.preprocessing) == set(kept.preprocessing.split(","))
    assert (robust.train_crop == "affine") == (kept.copies > 0)
    assert (robust.class_weights == "views") == kept.matched

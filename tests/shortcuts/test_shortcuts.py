"""Planted shortcuts are found, honest data raise no alarm, changes of pictures are exact."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import changed, user_error
from PIL import Image

from deepcovid import profiles
from deepcovid.data import manifest
from deepcovid.metrics import intervals
from deepcovid.shortcuts import alarm, looks, measure
from deepcovid.shortcuts import figures as shortcuts_figures
from deepcovid.shortcuts import tables as shortcuts_tables

HERE = Path("test/covid/one.png")
COUNTS = dict.fromkeys(measure.phantom.GROUPS, 30)


@pytest.fixture(scope="module")
def calibration(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiles, "RUNS", tmp_path_factory.mktemp("runs"))
        run = profiles.load("demo", {"models": "squeezenet", "device": "cpu"})
        yield run, alarm.calibrate(run, 2, 1, COUNTS)


def noise(width=40, height=20) -> Image.Image:
    pixels = np.random.default_rng(0).integers(1, 256, (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8))


# --- changes of a picture ---


def test_centre_and_rim_share_out_the_picture():
    picture = noise()
    rim, centre = (
        np.array(change(picture, HERE, side=0.5))
        for change in (looks.without_centre, looks.only_centre)
    )
    assert (rim[5:15, 10:30] == 0).all() and (centre[5:15, 10:30] > 0).all()
    assert (rim.astype(int) + centre == np.array(picture)).all()
    assert (centre > 0).mean() == pytest.approx(0.5**2)


def test_nothing_is_black_at_side_0_and_all_at_side_1():
    picture = noise()
    assert (np.array(looks.without_centre(picture, HERE, 0.0)) == np.array(picture)).all()
    assert not np.array(looks.without_centre(picture, HERE, 1.0)).any()


def test_a_mask_hides_or_keeps_its_pixels_at_any_size():
    mask = np.zeros((1, looks.GRID, looks.GRID), bool)
    mask[:, : looks.GRID // 2] = True
    picture = noise()
    without, only = (np.array(looks.masked(picture, HERE, mask, keep)) for keep in (False, True))
    assert not without[:10].any() and (without[10:] == np.array(picture)[10:]).all()
    assert not only[10:].any() and (only[:10] == np.array(picture)[:10]).all()


def test_the_borrowed_mask_hangs_on_the_name_alone():
    masks = np.random.default_rng(1).random((50, looks.GRID, looks.GRID)) < 0.5
    of = [
        np.array(looks.masked(noise(), folder / "test/covid" / f"{i}.png", masks, True))
        for folder in (Path("/a"), Path("/b"))
        for i in (1, 2)
    ]
    assert (of[0] == of[2]).all() and (of[0] != of[1]).any()


def test_coarse_pictures_have_few_fields_and_blurred_ones_the_same_mean():
    picture = noise(64, 64)
    small = np.array(looks.coarse(picture, HERE)).reshape(8, 8, 8, 8, 3)
    assert (small == small[:, :1, :, :1]).all()
    grey = np.zeros((64, 64, 3), np.uint8)
    grey[:, 32:] = 200
    soft = np.array(looks.blurred(Image.fromarray(grey), HERE)).astype(int)
    assert np.abs(np.diff(soft[:, :, 0], axis=1)).max() < 30
    assert soft.mean() == pytest.approx(100, abs=1)


def test_every_look_gives_rgb_of_the_same_size():
    masks = np.ones((2, looks.GRID, looks.GRID), bool)
    for look in looks.looks(masks):
        if look.change:
            picture = look.change(noise(), HERE)
            assert picture.size == (40, 20) and picture.mode == "RGB"
    variants = {(look.network, look.variant) for look in looks.looks(masks)}
    assert len(variants) == len(looks.looks(masks))  # else they would share features
    kinds = {look.kind for look in looks.looks(masks[:0])}
    assert "lungs" not in kinds and "border" in kinds


def test_histogram_counts_the_grey_levels():
    grey = np.full((10, 10, 3), 255, np.uint8)
    grey[:5] = 0
    found = looks.Histogram()(measure.augmentation.to_input(10)(Image.fromarray(grey))[None])
    assert found.shape == (1, looks.BINS)
    assert found[0, 0] == found[0, -1] == 0.5


def test_a_broken_lung_mask_is_named(tmp_path):
    path = tmp_path / "lung-masks" / "train" / "covid" / "bad.png"
    path.parent.mkdir(parents=True)
    path.write_text("no picture")
    with user_error("bad.png"):
        looks.lung_masks(tmp_path)


# --- metadata ---


def people(n=40, seed=0) -> pd.DataFrame:
    """Images of which some age, view and sex are unknown; mode tells the class."""
    rng = np.random.default_rng(seed)
    of = pd.DataFrame({
        "folder": np.repeat(["train", "test"], n), "label": np.tile([0, 1], n),
        "patient": [f"p{i}" for i in range(2 * n)], "view": rng.choice(["AP", "PA", ""], 2 * n),
        "sex": rng.choice(["F", "M", ""], 2 * n), "width": 320.0, "height": 390.0,
        "age": np.where(rng.random(2 * n) < 0.3, np.nan, rng.integers(20, 90, 2 * n)),
    })  # fmt: skip
    of["mode"] = np.where((of.label == 1) & (rng.random(2 * n) < 0.8), "RGB", "L")
    of.loc[of.folder.eq("test") & of.view.eq("AP"), "view"] = "AP Erect"  # never met in training
    return of.assign(**{"aspect ratio": of.width / of.height})


def test_metadata_with_missing_values_find_what_is_there():
    rows = {
        (words["seen"], words["model"]): measure()
        for words, measure in measure.of_metadata(people())
    }
    for model in ("regression", "trees"):
        assert rows["file properties", model]["auc_low"] > 0.7
        other = rows["patient and exposure", model]
        assert other["auc_low"] < 0.5 < other["auc_high"]
        assert (other["positives"], other["negatives"]) == (20, 20)


def test_what_nobody_knows_is_left_out():
    of = people().assign(view="", sex="", age=np.nan)
    assert {words["seen"] for words, _ in measure.of_metadata(of)} == {"file properties"}
    with user_error("Nothing is known of view, age"):
        measure.table_model(of, ("view", "age"), trees=False)


def test_two_images_of_each_class_are_needed():
    of = people().assign(label=0)
    with user_error("two images of each class"):
        measure.judged(of, of.label, of[["width"]], measure.regression("table"))


# --- the instrument ---


def test_planted_shortcuts_are_found_and_nothing_else(calibration):
    _, found = calibration
    alarm = found.groupby("planted").alarm.any()
    assert set(alarm.index) == {"nothing", *measure.phantom.SHORTCUTS}
    assert alarm.drop("nothing").all() and not alarm["nothing"]
    tint = found[(found.planted == "tint") & (found.seen == "file properties")]
    assert (tint.auc == 1).all()
    table = shortcuts_tables.calibration_table(found)
    assert table.loc["nothing", "datasets"] == 2 and table.loc["marker", "alarms"] == 1


def test_what_was_measured_is_not_measured_again(calibration, monkeypatch):
    run, found = calibration
    monkeypatch.setattr(measure, "extract", None)
    pd.testing.assert_frame_equal(alarm.calibrate(run, 2, 1, COUNTS), found)


def test_the_alarm_needs_more_than_chance():
    rows = [("border", "outer 5% of each side", "squeezenet", *x) for x in ((0.6, 0.49, 0.7),)]
    rows += [("metadata", "file properties", "regression", 0.5, 0.5, 0.5)]
    columns = ["kind", "seen", "model", "auc", "auc_low", "auc_high"]
    table = pd.DataFrame(rows, columns=columns)
    assert not alarm.alarms(table).alarm.any()
    loud = table.assign(auc=1.0, auc_low=1.0, auc_high=1.0)
    assert alarm.alarms(loud).alarm.all()
    worse = table.assign(auc=0.2, auc_low=0.1, auc_high=0.3)
    assert not alarm.alarms(worse).alarm.any()


# --- a whole run ---


def test_a_run_writes_its_table_and_goes_on(profile, monkeypatch):
    found = measure.run(profile)
    path = profile.folder / "shortcuts.csv"
    assert list(found.columns) == list(measure.COLUMNS)
    assert {"metadata", "whole", "border", "centre", "coarse", "grey levels", "untrained"} == set(
        found.kind
    )
    assert found.auc.between(found.auc_low, found.auc_high).all()
    assert (found.positives == 8).all() and (found.negatives == 12).all()
    whole = found[found.kind == "whole"].iloc[0]
    assert whole.auc > 0.9  # a bright square tells the classes apart
    centre = found[found.seen == "central 50% of each side"].iloc[0]
    assert centre.seen_share == 0.25
    text = path.read_text()
    monkeypatch.setattr(measure, "judged", None)  # nothing is left to do
    measure.run(profile)
    assert path.read_text() == text
    again = shortcuts_tables.read(path)
    assert len(shortcuts_tables.shown(again)) == len(again)
    for figure in (
        shortcuts_figures.how_little(again),
        shortcuts_figures.dots(again[again.kind == "metadata"]),
    ):
        assert figure.axes


def test_judged_as_metrics_say(profile):
    of = measure.collection(manifest.read(profile.folder / "manifest.csv"), profile.data_folder)
    assert (of.folder == "train").sum() == 36  # validation images among them
    values = np.arange(len(of), dtype=float)[:, None]
    model = measure.regression("table")
    row = measure.judged(of, of.label, values, model)
    test = (of.folder == "test").to_numpy()
    score = model.predict_proba(values[test])[:, 1]
    assert row["auc"] == intervals.auc(of.label[test], score)


def test_examples_and_answer(profile, calibration):
    pictures, titles = measure.examples(profile)
    assert len(pictures) == len(titles) and titles[0] == "whole picture"
    table = measure.run(profile)
    text = shortcuts_tables.answer("demo", table, calibration[1], table)
    assert "4 of 4 planted" in text
    assert "real images" not in shortcuts_tables.answer(
        "demo", table, calibration[1], table.iloc[:0]
    )


def test_a_table_that_lacks_columns_is_refused(tmp_path):
    assert shortcuts_tables.read(tmp_path / "none.csv").empty
    (tmp_path / "bad.csv").write_text("kind,seen\nborder,rim\n")
    with user_error("lacks the columns told"):
        shortcuts_tables.read(tmp_path / "bad.csv")


def test_without_a_manifest_the_user_is_told(profile):
    with user_error("run notebook 01"):
        measure.run(changed(profile, name="elsewhere"))

from pathlib import Path
from typing import get_args

import numpy as np
import torch
from conftest import changed, draw, prepared, user_error
from PIL import Image

from deepcovid import profiles
from deepcovid.models import features, preprocessing, scoring, training


def test_each_step_that_a_profile_may_name_is_one_that_is_done():
    assert get_args(profiles.Step) == ("none", *preprocessing.ORDER)


def test_steps_do_what_they_say():
    rng = np.random.default_rng(0)
    picture = Image.fromarray(np.repeat(rng.integers(0, 90, (200, 120, 1), np.uint8), 3, 2))
    equal = np.asarray(preprocessing.Preprocessing(("equalise",))(picture, None))
    assert equal.shape == (200, 120, 3) and equal.max() == 255
    assert np.histogram(equal, 4, (0, 256))[0].min() > 0.2 * equal.size
    brighter = picture.point(lambda value: 2 * value)
    assert np.array_equal(equal, preprocessing.Preprocessing(("equalise",))(brighter, None))
    small = preprocessing.Preprocessing(("equalise", "downsample"))
    assert small(picture, None).size == (preprocessing.SIZE, preprocessing.SIZE)
    assert small.variant.startswith("downsample equalise ")
    grey = np.asarray(preprocessing.Preprocessing(("grey",))(picture, None))
    assert (grey[..., 0] == grey[..., 2]).all()


def test_a_picture_without_lungs_is_used_whole():
    """Not all black, as every such picture would score alike then."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (96, 96, 3), np.uint8))
    path, lung = Path("x.png"), np.zeros((96, 96), bool)
    lung[:4, :4] = True  # a speck
    for steps in (("mask_lungs",), ("crop_lungs", "mask_lungs")):
        prepare = preprocessing.Preprocessing(steps, torch.nn.Identity(), {path: lung})
        assert np.array_equal(np.asarray(prepare(picture, path)), np.asarray(picture))
    lung[20:60, 20:60] = True
    prepare = preprocessing.Preprocessing(("mask_lungs",), torch.nn.Identity(), {path: lung})
    assert (np.asarray(prepare(picture, path))[70:] == 0).all()


def test_a_run_sees_prepared_pictures_everywhere(run, monkeypatch):
    asked = []

    def black(self, picture, path):
        asked.append(path)
        return Image.new("RGB", picture.size)

    monkeypatch.setattr(preprocessing.Preprocessing, "__call__", black)
    # what is computed of black pictures must not be kept for real ones
    extract = features.extract
    monkeypatch.setattr(features, "extract", lambda *a, **how: extract(*a, **how | {"keep": None}))
    run = changed(run, preprocessing=("grey",))
    training.run(run, "squeezenet", 0)
    scores = scoring.run(run, "squeezenet", 0)
    assert len(set(scores.read_text().split("\n")[k].split(",")[3] for k in range(1, 50))) == 1
    assert {path.parts[-3] for path in asked if "augmented" not in path.parts} >= {"train", "test"}


def test_another_preparation_trains_again(run):
    folder = training.run(run, "squeezenet", 0)
    first = (folder / "checkpoint.pt").read_bytes()
    training.run(changed(run, preprocessing=("equalise",)), "squeezenet", 0)
    assert (folder / "checkpoint.pt").read_bytes() != first


def test_users_mistakes_are_named(run, tmp_path):
    with user_error("none or some steps"):
        profiles.load("demo", {"preprocessing": "none,grey"})
    with user_error("preprocessing"):
        profiles.load("demo", {"preprocessing": "sharpen"})
    run = changed(run, preprocessing=("crop_lungs",))
    with user_error("0 masks"):
        training.run(run, "squeezenet", 0)
    for image in run.manifest.image:
        target = (tmp_path / "data" / image).with_suffix(".png")
        draw(target, 0)
        mask = tmp_path / "data" / "lung-masks" / image
        mask.parent.mkdir(parents=True, exist_ok=True)
        mask.with_suffix(".png").write_text("no mask")
    settings = {"data": str(tmp_path / "data"), "models": "squeezenet"}
    own = prepared(profiles.load("demo", settings))
    with user_error("lung-masks.*png"):
        preprocessing.of(changed(own, preprocessing=("crop_lungs",)))

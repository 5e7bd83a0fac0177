"""What is taken away from a picture is taken away exactly, and nothing else."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import user_error
from PIL import Image

from deepcovid.shortcuts import ablations

HERE = Path("test/covid/one.png")


def noise(width=40, height=20) -> Image.Image:
    pixels = np.random.default_rng(0).integers(1, 256, (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8))


def cut(picture: Image.Image, path: Path, mask, keep: bool) -> np.ndarray:
    return np.array(ablations.masked(picture, path, mask, keep))


def test_centre_and_rim_share_out_the_picture():
    picture, centre = noise(), partial(ablations.central, side=0.5)
    rim, inside = (cut(picture, HERE, centre, keep) for keep in (False, True))
    assert (rim[5:15, 10:30] == 0).all() and (inside[5:15, 10:30] > 0).all()
    assert (rim.astype(int) + inside == np.array(picture)).all()
    assert (inside > 0).mean() == pytest.approx(0.5**2)


def test_nothing_is_black_at_side_0_and_all_at_side_1():
    picture = noise()
    none, whole = (partial(ablations.central, side=side) for side in (0.0, 1.0))
    assert (cut(picture, HERE, none, False) == np.array(picture)).all()
    assert not cut(picture, HERE, whole, False).any()


def test_a_mask_hides_or_keeps_its_pixels_at_any_size():
    masks = np.zeros((1, ablations.GRID, ablations.GRID), bool)
    masks[:, : ablations.GRID // 2] = True
    picture, mask = noise(), partial(ablations.borrowed, masks=masks)
    without, only = (cut(picture, HERE, mask, keep) for keep in (False, True))
    assert not without[:10].any() and (without[10:] == np.array(picture)[10:]).all()
    assert not only[10:].any() and (only[:10] == np.array(picture)[:10]).all()


def test_the_borrowed_mask_depends_on_the_name_alone():
    masks = np.random.default_rng(1).random((50, ablations.GRID, ablations.GRID)) < 0.5
    of = [
        ablations.borrowed((40, 20), folder / "test/covid" / f"{i}.png", masks)
        for folder in (Path("/a"), Path("/b"))
        for i in (1, 2)
    ]
    assert (of[0] == of[2]).all() and (of[0] != of[1]).any()


def test_coarse_pictures_have_few_fields_and_blurred_ones_the_same_mean():
    picture = noise(64, 64)
    small = np.array(ablations.coarse(picture, HERE)).reshape(8, 8, 8, 8, 3)
    assert (small == small[:, :1, :, :1]).all()
    grey = np.zeros((64, 64, 3), np.uint8)
    grey[:, 32:] = 200
    soft = np.array(ablations.blurred(Image.fromarray(grey), HERE)).astype(int)
    assert np.abs(np.diff(soft[:, :, 0], axis=1)).max() < 30
    assert soft.mean() == pytest.approx(100, abs=1)


def test_every_ablation_gives_rgb_of_the_same_size():
    masks = np.ones((2, ablations.GRID, ablations.GRID), bool)
    for ablation in ablations.all_ablations(masks):
        if ablation.change:
            picture = ablation.change(noise(), HERE)
            assert picture.size == (40, 20) and picture.mode == "RGB"
    asked = [(ablation.network, ablation.input) for ablation in ablations.all_ablations(masks)]
    assert len(set(asked)) == len(asked)  # else they would share features
    kinds = {ablation.kind for ablation in ablations.all_ablations(masks[:0])}
    assert "lungs" not in kinds and "border" in kinds


def test_a_broken_lung_mask_is_named(tmp_path):
    path = tmp_path / "lung-masks" / "Train" / "covid" / "bad.png"
    path.parent.mkdir(parents=True)
    path.write_text("no picture")
    with user_error("bad.png"):
        ablations.lung_masks(tmp_path)

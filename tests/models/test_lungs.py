"""Where the lungs are, and pictures that are cut to them."""

import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import user_error
from PIL import Image, ImageOps

from deepcovid import imports, runs
from deepcovid.data import manifest, phantom
from deepcovid.models import features, lungs, preprocessing
from deepcovid.models.networks import state_digest
from imageaudit import images

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast


@pytest.fixture(scope="module")
def segmenter(drawn):
    table = manifest.make(drawn, 0.0)
    return lungs.fit(*lungs.pairs(table[table.split == "train"], drawn), epochs=25)


def test_lungs_are_found_on_pictures_never_fitted(segmenter, drawn):
    table = manifest.make(drawn, 0.0)
    pictures, masks = lungs.pairs(table[table.split == "test"], drawn)
    assert lungs.dice(segmenter, pictures, masks).mean() > 0.8

    class Everywhere(torch.nn.Module):
        def forward(self, x):
            return torch.ones_like(x)

    assert lungs.dice(Everywhere(), pictures, masks).mean() < 0.7  # so that 0.8 says something


def test_the_frame_around_the_lungs_no_longer_matters(segmenter):
    """The same chest, tightly and loosely framed, gives nearly the same prepared picture."""
    grey = Image.fromarray(phantom.radiograph("No Finding", 3, 192).image)
    loose = Image.new("L", (256, 256), 20)
    loose.paste(grey, (32, 32))
    apart = {}
    for steps in (("downsample",), ("crop_lungs", "downsample")):
        prepare = preprocessing.Preprocessing(steps, segmenter)
        one, other = (
            np.asarray(prepare(p.convert("RGB"), n), float) for n, p in enumerate((grey, loose))
        )
        apart[steps] = np.abs(one - other).mean()
    assert apart["crop_lungs", "downsample"] < 0.5 * apart["downsample",]


def test_fit_depends_on_the_seed_only_and_leaves_torch_alone(drawn):
    table = manifest.make(drawn, 0.0)
    given = lungs.pairs(table[table.split == "train"], drawn)
    torch.manual_seed(5)
    expected = torch.rand(3)
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(5)
        states.append(state_digest(lungs.fit(*given, epochs=1, seed=seed)))
        assert torch.equal(torch.rand(3), expected)
    assert states[0] == states[1] != states[2]


def test_box_holds_the_lungs_with_a_margin():
    lung = np.zeros((lungs.SIZE, lungs.SIZE), bool)
    assert lungs.box(lung) == (0, 0, 1, 1)
    lung[24:72, 48:] = True
    assert lungs.box(lung) == pytest.approx((0.47, 0.22, 1, 0.78))


@pytest.fixture
def fitted(drawn, tmp_path, monkeypatch):
    """A run's folder and data with masks, and how often a segmenter was fitted there."""
    data = tmp_path / "drawn"
    shutil.copytree(drawn, data)
    folder, calls = tmp_path / "run", []
    real = lungs.fit
    monkeypatch.setattr(lungs, "fit", lambda *a: calls.append(1) or real(*a, epochs=1))

    def run(fraction=0.0, steps=("none",)):
        folder.mkdir(exist_ok=True)
        manifest.make(data, fraction).to_csv(folder / "manifest.csv", index=False)
        places = {"folder": folder, "data_folder": data, "features": tmp_path / "kept"}
        lungs.run(SimpleNamespace(**places, preprocessing=steps))
        return len(calls)

    return run, folder, data


def test_a_segmenter_is_fitted_again_for_other_masks_data_or_split(fitted, tmp_path, monkeypatch):
    run, _, data = fitted
    assert run() == run() == 1
    mask = next((data / "lung-masks" / "train").rglob("*.png"))
    Image.new("L", (96, 96), 255).save(mask)
    assert run() == run() == 2
    assert run(0.3) == 3  # some of the fitted images are validation images now
    monkeypatch.setattr(lungs, "__file__", features.__file__)  # another code
    assert run(0.3) == 4


def test_pictures_without_lungs_are_counted_where_all_are_prepared(fitted):
    run, folder, data = fitted
    run()
    assert "pictures" not in runs.read_json(folder / "lungs.json")  # nobody reads it
    run(steps=("crop_lungs", "grey"))
    told, network = runs.read_json(folder / "lungs.json"), lungs.load(folder / "lungs.pt")
    found = [lungs.find(network, [images.open_radiograph(data / image)])[0]
             for image in manifest.make(data, 0.0).image]  # fmt: skip
    assert told["pictures"] == len(found)
    assert told["without_lungs"] == sum(lung.mean() < lungs.LEAST for lung in found)
    assert told["test_masks"] > 0 and 0 <= told["least"] <= told["dice"] <= 1


def test_the_lungs_of_a_picture_are_found_once(segmenter, drawn, tmp_path, monkeypatch):
    table = manifest.make(drawn, 0.0).head(5)
    asked = segmenter, [drawn / image for image in table.image], table.sha1, tmp_path
    found = lungs.find_all(*asked)
    assert found.any((1, 2)).all() and found.shape == (5, lungs.SIZE, lungs.SIZE)
    turned = lungs.find_all(*asked, lambda picture, _: ImageOps.mirror(picture), "mirrored")
    assert (turned[:, :, ::-1] == found).mean() > 0.9 > (turned == found).mean()
    with user_error("no longer the image"):  # nothing is kept of it by that name
        lungs.find_all(segmenter, asked[1], table.sha1.iloc[::-1], tmp_path / "elsewhere")
    monkeypatch.setattr(lungs, "find", None)
    assert np.array_equal(lungs.find_all(*asked), found)
    with pytest.raises(TypeError):  # another change of the pictures
        lungs.find_all(*asked, None, "other")


def test_a_broken_mask_to_judge_by_is_named(fitted):
    run, _, data = fitted
    mask = next((data / "lung-masks" / "test").rglob("*.png"))
    mask.write_bytes(mask.read_bytes()[:80])
    with user_error(mask.name):
        run()


def test_who_asks_for_no_lungs_does_not_wait_for_monai():
    """It is imported in functions alone."""
    for name, path in imports.modules().items():
        assert not re.search(r"^(import|from) monai", path.read_text("utf-8"), re.MULTILINE), name

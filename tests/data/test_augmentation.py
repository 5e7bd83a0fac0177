import hashlib
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import changed, draw, prepared, user_error
from PIL import Image
from torchvision.transforms import v2

from deepcovid.data import augmentation, manifest
from deepcovid.models.run import Run


def test_fivefold_means_five_images_per_training_original(profile):
    run = prepared(changed(profile, augment_positives=5))
    table = manifest.read(run.folder / "manifest.csv")
    training = pd.read_csv(run.folder / "training.csv", keep_default_na=False)
    originals = table[(table.split == "train") & (table.label == 1)]
    positives = training[training.label == 1]
    assert len(positives) == 5 * len(originals)
    assert (training.label == 0).sum() == ((table.split == "train") & (table.label == 0)).sum()
    copies = training[training.augmented_from != ""]
    assert set(copies.augmented_from) == set(originals.image)
    assert copies.sha1.is_unique
    assert not set(copies.sha1) & set(table.sha1)
    assert all(path.is_file() for path in Run(run).paths(training.image))


def test_nothing_of_validation_or_test_is_copied(profile):
    training = pd.read_csv(profile.folder / "training.csv", keep_default_na=False)
    table = manifest.read(profile.folder / "manifest.csv")
    held_out = table[table.split == "validation"]
    assert len(held_out) > 0
    assert not set(training.augmented_from) & set(table.image[table.split != "train"])
    assert not set(training.patient) & set(held_out.patient)


def test_copies_are_the_same_again_and_differ_from_their_original(profile):
    folder = profile.folder / "augmented"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    augmentation.run(profile)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    training = pd.read_csv(profile.folder / "training.csv", keep_default_na=False)
    row = training[training.augmented_from != ""].iloc[0]
    copy, original = (
        np.asarray(Image.open(path).convert("L"), float)
        for path in Run(profile).paths([row.image, row.augmented_from])
    )
    assert copy.shape == original.shape
    assert np.abs(copy - original).mean() > 1


def test_copies_lie_as_their_originals_do(data, profile):
    shutil.copytree(data, own := profile.folder.parent / "own")
    for hospital in "AB":
        draw(own / "train" / "COVID" / hospital / "001.png", ord(hospital), 70)
        draw(own / "train" / "non" / hospital / "001.png", 2 * ord(hospital))
    for path in (own / "train" / "covid").iterdir():
        path.rename(own / "train" / "COVID" / path.name)
    (own / "train" / "covid").rmdir()
    run = prepared(changed(profile, data=str(own), validation_fraction=0, augment_positives=3))
    training = pd.read_csv(run.folder / "training.csv", keep_default_na=False)
    assert (
        training.image.is_unique and training.image.str.contains("augmented/A/001.png").sum() == 2
    )
    for path, sha1 in zip(Run(run).paths(training.image), training.sha1, strict=True):
        assert hashlib.sha1(path.read_bytes()).hexdigest() == sha1


def test_seeds_of_an_image_leave_a_graphics_cards_generators_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda _: pytest.fail("the card was seeded"))
    assert augmentation.seeded(lambda _: torch.rand(1), 0)(None).item() < 1


def test_originals_only_and_a_release_without_copies(profile):
    training = augmentation.run(changed(profile, augment_positives=1))
    assert (training.augmented_from == "").all() and training.image.is_unique
    assert (training.split == "train").all()
    with user_error("augment_positives 5"):
        augmentation.run(changed(profile, augment_positives="release"))


def test_inputs_are_normalised_squares_and_crops_depend_on_their_key_alone():
    grey = Image.new("RGB", (60, 40), (124, 116, 104))  # ImageNet's mean, in 8 bits
    x = augmentation.to_input(32)(grey)
    assert x.shape == (3, 32, 32) and x.dtype == torch.float32
    assert x.abs().max() < 0.02
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    crop = augmentation.to_input(32, "random")

    def at(seed, *key):
        return augmentation.seeded(crop, seed, *key)(picture)

    state = torch.get_rng_state()
    assert torch.equal(at(0, 1, 2), at(0, 1, 2))
    assert not torch.equal(at(0, 1, 2), at(0, 2, 2))
    assert not torch.equal(at(0, 1, 2), at(1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_moved_image_is_whole_and_another_each_time():
    pixels = np.full((60, 60), 100, np.uint8)
    pixels[20:40, 20:40] = 200
    picture = Image.fromarray(pixels).convert("RGB")
    change = augmentation.to_input(32, "affine")
    one, again, other = (augmentation.seeded(change, 0, k)(picture) for k in (1, 1, 2))
    assert one.shape == (3, 32, 32) and torch.equal(one, again) and not torch.equal(one, other)
    for moved in (one, other):
        # the bright square is smaller than the image still, and not lost
        bright = (moved[0] > moved[0].median() + 0.2).float().mean()
        assert 0.05 < bright < 0.2


def test_a_moved_image_is_shifted_by_its_sixteenth_at_most_and_often_by_nearly_that():
    affine = next(t for t in augmentation.AFFINE.transforms if isinstance(t, v2.RandomAffine))
    torch.manual_seed(0)
    drawn = [affine.make_params([torch.zeros(3, 1000, 1000)]) for _ in range(400)]
    shifts = np.abs([d["translate"] for d in drawn])
    assert 57 < shifts.max() <= 60
    assert 0.85 <= min(d["scale"] for d in drawn) < 0.87
    assert 1.13 < max(d["scale"] for d in drawn) <= 1.15
    assert 9.5 < max(abs(d["angle"]) for d in drawn) <= 10
    jitter = next(t for t in augmentation.AFFINE.transforms if isinstance(t, v2.ColorJitter))
    drawn = [jitter.make_params([]) for _ in range(400)]
    for kind in ("brightness_factor", "contrast_factor"):
        factors = [d[kind] for d in drawn]
        assert 0.6 <= min(factors) < 0.62 and 1.38 < max(factors) <= 1.4


@pytest.mark.parametrize("crop", ["none", "random", "affine"])
def test_fine_noise_becomes_even_grey(crop):
    """Shrunk without a filter it would stay noise: a model would see single pixels of a radiograph."""
    noise = np.random.default_rng(0).integers(0, 2, (256, 256), np.uint8) * 255
    torch.manual_seed(3)
    shrunk = augmentation.to_input(16, crop)(Image.fromarray(noise).convert("RGB"))
    assert float(shrunk[0, 4:-4, 4:-4].std()) < 0.4


def test_leaks_count_copies_files_and_patients_each_once():
    table = pd.DataFrame({
        "image": list("abcdef"), "split": ["train", "validation", "test", "test", "test", "train"],
        "sha1": list("112345"), "patient": ["p", "q", "p", "p", "r", "s"], "label": 1,
        "augmented_from": "",
    })  # fmt: skip
    training = table[table.split == "train"].assign(augmented_from=["", "c"])
    found = augmentation.leaks(table, training)
    assert found.found.tolist() == [1, 1, 0, 1] and found.of.tolist() == [1, 2, 1, 2]
    clean = augmentation.leaks(table[table.split != "test"], training.assign(sha1="9"))
    assert clean.found.sum() == 0
    counted = augmentation.splits(table, training).set_index(["split", "class"])
    assert counted.loc[("train", "COVID-19")].tolist() == [1, 1, 2]
    assert counted.loc[("test", "COVID-19")].tolist() == [3, 0, 2]

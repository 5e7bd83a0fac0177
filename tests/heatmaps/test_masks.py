"""Masks are read as the model sees their images, and fit them or are refused."""

import numpy as np
from conftest import changed, user_error
from PIL import Image

from deepcovid.heatmaps import masks, study


def test_a_mask_of_another_size_and_a_missing_image_are_named(phantoms):
    image = masks.chosen(phantoms).image[0]
    path = masks.path_of(phantoms, "lung", image)
    Image.new("1", (10, 12)).save(path)
    with user_error(r"lung-masks.*\(10, 12\)"):
        masks.read(phantoms, "lung", image)
    (phantoms.data / image).unlink()
    with user_error(str(image.rsplit("/", 1)[1])):
        study.run(phantoms)


def test_images_with_a_mask_are_chosen_and_all_where_none_has_one(phantoms):
    every = masks.chosen(phantoms)
    assert len(every) == 8 and (every.label == 1).all()
    for image in every.image[1:]:
        for kind in masks.MASKS:
            masks.path_of(phantoms, kind, image).unlink()
    assert list(masks.chosen(phantoms).image) == [every.image[0]]
    for kind in masks.MASKS:
        masks.path_of(phantoms, kind, every.image[0]).unlink()
    assert len(masks.chosen(phantoms)) == 8
    assert masks.read(phantoms, "lung", every.image[0]) is None
    assert masks.read_all(phantoms, "lung", every.image) == {}


def test_of_many_images_all_with_lesions_are_chosen_and_some_others(phantoms):
    """Whatever the order in which the manifest lists them."""
    every = masks.chosen(phantoms)
    for image in every.image[2:]:
        masks.path_of(phantoms, "lesion", image).unlink()
    some = masks.chosen(changed(phantoms, map_images=4))
    assert {*every.image[:2]} < {*some.image} and list(some.image) == sorted(some.image)
    others = every[2:].sort_values("sha1").image[:2]
    assert {*some.image} == {*every.image[:2], *others}
    assert len(masks.chosen(changed(phantoms, map_images="all"))) == len(every)


def test_a_mask_is_resized_as_its_image_is(phantoms):
    image = masks.chosen(phantoms).image[0]
    whole = np.array(Image.open(masks.path_of(phantoms, "lung", image)))
    small = masks.read(changed(phantoms, image_size=32), "lung", image)
    assert small.shape == (32, 32) and small.dtype == bool
    assert abs(small.mean() - whole.mean()) < 0.02

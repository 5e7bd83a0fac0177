"""Six zones of two lungs; whether values follow their grades; tables of grades."""

import numpy as np
from conftest import user_error

from deepcovid.data import phantom
from deepcovid.heatmaps import masks


def test_lungs_are_cut_into_thirds_of_their_own_height():
    lung = np.zeros((20, 12), bool)
    lung[2:14, 1:5] = True  # the patient's right, at the image's left
    lung[5:20, 7:11] = True
    zone = masks.zones_of(lung)
    assert [(zone == k).sum() for k in range(7)] == [240 - 48 - 60, 16, 16, 16, 20, 20, 20]
    assert (zone[2:6, 1:5] == 1).all() and (zone[15:20, 7:11] == 6).all()
    assert ((zone > 0) == lung).all() and masks.whole(zone)


def test_lungs_that_hang_together_are_parted_in_the_middle_and_specks_do_not_count():
    lung = np.zeros((20, 13), bool)
    lung[2:14, 1:12] = True
    zone = masks.zones_of(lung)
    assert masks.whole(zone) and set(zone[:, 1:6][zone[:, 1:6] > 0]) == {1, 2, 3}
    two = np.zeros((20, 12), bool)
    two[2:14, 1:5], two[2:14, 7:11], two[0, 0] = True, True, True
    assert masks.zones_of(two)[0, 0] == 0 and masks.whole(masks.zones_of(two))
    assert not masks.whole(masks.zones_of(np.zeros((8, 8), bool)))


def test_phantoms_have_six_zones():
    for seed in range(5):
        zone = masks.zones_of(phantom.radiograph("COVID-19", seed, 64).lungs)
        assert masks.whole(zone)
        left, right = (np.nonzero(np.isin(zone, ks))[1].mean() for ks in ((1, 2, 3), (4, 5, 6)))
        assert left < 32 < right


def test_a_map_follows_grades_by_its_mass_for_its_area():
    lung = np.zeros((18, 12), bool)
    lung[:, 1:3], lung[:, 6:12] = True, True  # lungs of unlike size
    zone, grades = masks.zones_of(lung), np.array([0, 1, 2, 3, 1, 0.0])
    heat = np.select([zone == k + 1 for k in range(6)], grades - 0.5)
    assert masks.follows(masks.zone_means(heat, zone), grades) > 0.9
    assert masks.follows(masks.zone_means(1 - heat, zone), grades) < -0.9
    assert masks.follows(masks.zone_means(lung * 1.0, zone), grades) == 0  # the lung field is even
    assert np.isnan(masks.follows(np.arange(6), np.full(6, 3.0)))  # no order to follow


def test_a_table_of_grades_names_images_by_their_place(tmp_path):
    names = [f"{reader}-{zone}" for reader in "SJ" for zone in masks.ZONES]
    rows = ["image," + ",".join(names), "a/x.png," + ",".join("012301111222")]
    path = tmp_path / "brixia.csv"
    path.write_text("\n".join(rows))
    found = masks.read_grades(path, [*masks.SENIOR, *masks.JUNIOR], 3)
    row = found.loc[str((tmp_path / "a/x.png").resolve())]
    assert row[masks.SENIOR].tolist() == [0, 1, 2, 3, 0, 1]
    assert row[masks.JUNIOR].tolist() == [1, 1, 1, 2, 2, 2]
    path.write_text("image,S-A\na/x.png,4")
    with user_error("S-A of a/x.png is no number from 0 to 3"):
        masks.read_grades(path, ["S-A"], 3)
    path.write_text("image,S-A\na/x.png,3\na/x.png,2")
    with user_error("lists a/x.png twice"):
        masks.read_grades(path, ["S-A"], 3)
    with user_error("lacks the columns S-B, .*S-F"):
        masks.read_grades(path, masks.SENIOR, 3)

"""What maps contain of a mask, where it is known; the verdict; tables of what was found."""

import numpy as np
import pytest

from deepcovid.heatmaps import claim, figures, tables


@pytest.fixture
def mask():
    made = np.zeros((20, 20), bool)
    made[4:8, 4:14] = True  # 40 of 400 pixels
    return made


def test_a_map_of_the_lesion_contains_it_and_an_opposite_one_does_not(mask):
    found = claim.scores(mask * 3.0, mask)
    assert found["contained"] == 1 and found["highlighted"] == mask.mean()
    assert found["captured"] == pytest.approx(1 - mask.mean() / 2)
    opposite = claim.scores(1.0 - mask, mask)
    assert opposite["contained"] == 0 and opposite["captured"] == pytest.approx(0.05)
    even = claim.scores(np.ones((20, 20)), mask)
    assert even["contained"] == even["highlighted"] == 1  # all is highlighted, so all is contained
    assert even["captured"] == pytest.approx(0.5)
    none = claim.scores(-1.0 * mask, mask)
    assert none["contained"] == none["highlighted"] == 0  # nothing speaks for COVID-19


def test_half_of_the_largest_value_is_highlighted(mask):
    heat = np.where(mask, 0.49, 0)
    heat[0, 0] = 1
    assert claim.scores(heat, mask)["highlighted"] == 1 / 400
    heat[4, 4:14] = 0.5
    found = claim.scores(heat, mask)
    assert found["contained"] == 0.25 and found["highlighted"] == 11 / 400


def test_the_lung_field_gets_as_much_area_as_the_map(mask):
    lung = np.zeros((20, 20), bool)
    lung[2:12, 2:18] = True  # 160 pixels, all of the mask among them
    heat = np.zeros((20, 20))
    heat[4:8, 4:8] = 1  # 16 pixels in the mask
    found = claim.scores(heat, mask)
    assert found["contained"] == 0.4
    assert claim.as_much(lung.astype(float), mask, found["highlighted"]) == pytest.approx(16 / 160)
    assert claim.as_much(heat, mask, 1) == 1


def test_the_rule_of_the_text_counts_where_covering_turns_the_call(mask):
    heat = np.zeros((20, 20))
    heat[4:8, 4:8], heat[0, :4] = 0.5, 0.3
    found = claim.turned(heat, mask, 0.9)  # 0.9 less 0.5 turns, less 0.3 does not
    assert found["turned"] == 0.4 and found["turned_area"] == 16 / 400
    assert claim.turned(heat, mask, 0.4) == {}  # not called: nothing to turn


def test_a_curve_starts_at_nothing_and_ends_at_all(mask):
    values = claim.curve(mask.astype(float), mask)
    assert values[0] == 0 and values[-1] == 1 and (np.diff(values) >= 0).all()
    assert claim.needed(values) == pytest.approx(0.05)  # half of a tenth of the image
    assert claim.needed(claim.curve(np.ones((20, 20)), mask)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("interval", "said"),
    [((0.51, 0.9), "holds"), ((0.1, 0.49), "does not hold"), ((0.4, 0.6), "open")],
)
def test_the_verdict_goes_by_the_interval(interval, said):
    assert claim.verdict(*interval) == said


def made_up(contained, as_lungs, other):
    """A `heatmaps.json` of one model on images of four patients, two images each."""
    n, rows = 8, []
    for i in range(n):
        base = {key: 0.5 for key in claim.TOLD} | {"group": "test", "model": "resnet18", "image": i}
        rows += [
            base | {"method": "occlusion 9 px", "contained": contained + 0.01 * i,
                    "as_lungs": as_lungs, "as_other": other, "turned": 0.0 if i else None,
                    "turned_area": 0.0 if i else None},
            base | {"method": "occlusion 9 px, another patient's", "contained": other},
            base | {"model": "", "method": claim.LUNGS, "contained": 0.95},
        ]  # fmt: skip
    keys = dict.fromkeys(key for row in rows for key in row)
    curve = {"group": "test", "model": "resnet18", "method": "occlusion 9 px",
             "values": list(claim.SHARES)}  # fmt: skip
    return {
        "lesions": {
            "images": {"test": {"image": ["x"] * n, "patient": [i // 2 for i in range(n)]}},
            "rows": {key: [row.get(key) for row in rows] for key in keys},
            "zones": {
                "group": ["test"] * 4, "severity": ["Brixia score"] * 4, "image": [0, 2] * 2,
                "model": ["", "", "resnet18", "resnet18"], "rho": [0.8, 0.7, 0.1, -0.1],
                "method": ["second radiologist"] * 2 + ["occlusion 9 px"] * 2,
            },
            "random_maps": {"test": {key: [0.1, 0.05, 0.2] for key in claim.TOLD}},
            "curves": [curve, curve | {"model": "", "method": claim.LUNGS}],
        }
    }  # fmt: skip


def test_the_answer_follows_the_numbers_both_ways():
    good = made_up(contained=0.8, as_lungs=0.3, other=0.4)
    assert tables.claims(good).verdict.tolist() == ["holds"]
    row = claim.gains(good).iloc[0]
    assert row.over_lungs[1] > 0 and row.over_other[1] > 0 and row.patients == 4
    said = tables.lesion_answer(good)
    assert "the claim holds" in said and "more than as much of the lung field (30%)" in said
    bad = made_up(contained=0.1, as_lungs=0.3, other=0.4)
    assert tables.claims(bad).verdict.tolist() == ["does not hold"]
    said = tables.lesion_answer(bad)
    assert "does not hold" in said and "less than as much of another patient's map (40%)" in said
    assert "0 of 7 images that are called COVID-19" in said
    assert "second radiologist 0.75" in said


def test_tables_and_figures_show_every_model_and_rival():
    found = made_up(contained=0.8, as_lungs=0.3, other=0.4)
    table = tables.lesion_table(found)
    assert len(table) == 4 and table.notna().all(axis=None)
    assert len(tables.zone_table(found)) == 2
    left, _ = figures.contained(found).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["resnet18, occlusion 9 px"]
    assert len(figures.followed(claim.zone_numbers(found)).axes) == 1


def test_nothing_to_compare_with_is_said():
    for found in ({}, {"lesions": {}}):
        assert not tables.has_lesions(found) and len(claim.numbers(found)) == 0
        assert tables.lesion_answer(found) == tables.NO_LESIONS
        assert len(claim.zone_numbers(found)) == 0

"""What maps contain of a mask, where it is known; the verdict; tables of what was found."""

import numpy as np
import pandas as pd
import pytest

from deepcovid.heatmaps import claim, figures, tables
from deepcovid.heatmaps.agreement import SHARES, agreement, curve, turned


@pytest.fixture
def mask():
    made = np.zeros((20, 20), bool)
    made[4:8, 4:14] = True  # 40 of 400 pixels
    return made


def test_a_map_of_the_lesion_contains_it_and_an_opposite_one_does_not(mask):
    found = agreement(mask * 3.0, mask)
    assert found["contained"] == 1 and found["highlighted"] == mask.mean()
    assert found["captured"] == pytest.approx(1 - mask.mean() / 2)
    opposite = agreement(1.0 - mask, mask)
    assert opposite["contained"] == 0 and opposite["captured"] == pytest.approx(0.05)
    even = agreement(np.ones((20, 20)), mask)
    assert even["contained"] == even["highlighted"] == 1  # all is highlighted, so all is contained
    assert even["captured"] == pytest.approx(0.5)
    none = agreement(-1.0 * mask, mask)
    assert none["contained"] == none["highlighted"] == 0  # nothing speaks for COVID-19


def test_half_of_the_largest_value_is_highlighted(mask):
    heat = np.where(mask, 0.49, 0)
    heat[0, 0] = 1
    assert agreement(heat, mask)["highlighted"] == 1 / 400
    heat[4, 4:14] = 0.5
    found = agreement(heat, mask)
    assert found["contained"] == 0.25 and found["highlighted"] == 11 / 400


def test_the_rule_of_the_text_counts_where_covering_turns_the_call(mask):
    heat = np.zeros((20, 20))
    heat[4:8, 4:8], heat[0, :4] = 0.5, 0.3
    found = turned(heat, mask, 0.9)  # 0.9 less 0.5 turns, less 0.3 does not
    assert found["turned"] == 0.4 and found["turned_area"] == 16 / 400
    assert turned(heat, mask, 0.4) == {}  # not called: nothing to turn


def test_a_curve_starts_at_nothing_and_ends_at_all(mask):
    values = curve(mask.astype(float), mask)
    assert values[0] == 0 and values[-1] == 1 and (np.diff(values) >= 0).all()
    assert values[1] == pytest.approx(0.5)  # half of a tenth of the image
    assert curve(np.ones((20, 20)), mask) == pytest.approx(SHARES)


@pytest.mark.parametrize(
    ("passed", "interval", "said"),
    [(True, (0.01, 0.2), "holds"), (True, (-0.2, -0.01), "does not hold"),
     (True, (-0.1, 0.1), "open"), (True, (np.nan, np.nan), claim.NO_LUNGS),
     (False, (0.01, 0.2), claim.FAILED), (None, (0.01, 0.2), claim.UNKNOWN)],
)  # fmt: skip
def test_the_verdict_goes_by_the_interval_and_only_for_a_calibrated_method(passed, interval, said):
    assert claim.verdict(passed, *interval) == said


def test_a_method_is_calibrated_where_it_finds_each_thing_that_was_taught():
    rows = [(taught, mask, method, share, 0.1) for taught, mask, method, share in (
        ("lesion", "lesion", "occlusion", 0.7), ("lesion", "lesion", "Grad-CAM", 0.4),
        ("marker", "marker", "occlusion", 1.0), ("marker", "marker", "Grad-CAM", 0.1),
        ("marker", "lesion", "occlusion", 0.0),
    )]  # fmt: skip
    phantoms = pd.DataFrame(rows, columns=["taught", "mask", "method", "mean", "random_high"])
    assert claim.calibrated(phantoms).to_dict() == {"occlusion": True, "Grad-CAM": False}


def made_up(captured, lungs, other, calibrated=True):
    """`maps.csv` of one model on eight images of four patients, and `map_calibration.csv`."""
    rows = []
    for i in range(8):
        base = dict.fromkeys(claim.MEASURES, 0.5) | {
            "group": "test",
            "mask": "lesion",
            "image": i,
            "patient": i // 2,
        }
        rows += [
            base | {"model": "resnet18", "method": "occlusion 9 px", "captured": captured + 0.01 * i,
                    "turned": 0.0 if i else None, "turned_area": 0.0 if i else None},
            base | {"model": "resnet18", "method": "occlusion 9 px" + claim.OTHER, "captured": other},
            base | {"method": claim.LUNGS, "captured": lungs},
            base | {"model": "resnet18", "method": "occlusion 18 px", "captured": 0.9},
        ]  # fmt: skip
    peaks = {"taught": "marker", "mask": "marker", "method": "occlusion", "phantoms": 16,
             "mean": 1.0 if calibrated else 0.1, "low": 0.79, "high": 1.0, "random_low": 0.0,
             "random_high": 0.2}  # fmt: skip
    return pd.DataFrame(rows, columns=list(claim.MAPS)), pd.DataFrame([peaks])


ZONES = pd.DataFrame({
    "group": "test", "severity": "Brixia score", "images": 2, "patients": 2,
    "model": [None, "resnet18"], "method": ["second radiologist", "occlusion 9 px"],
    "mean": [0.75, 0.0], "low": [0.7, -0.1], "high": [0.8, 0.1],
})  # fmt: skip


def test_the_claim_follows_the_numbers_both_ways():
    good = claim.gains(*made_up(captured=0.8, lungs=0.6, other=0.5))
    assert list(good) == claim.CLAIMS and len(good) == 1  # not of the larger window
    row = good.iloc[0]
    assert row.over_lungs_low > 0 and row.over_other_low > 0 and row.patients == 4
    table = tables.claims(good)
    assert table.index.tolist() == [("ResNet18", "occlusion 9 px")]
    verdicts = ["by the letter", "against the lung field"]
    assert table[verdicts].iloc[0].tolist() == ["holds", "holds"]
    assert table["gain over it"].iloc[0].startswith("+0.24 (+0.2")
    bad = tables.claims(claim.gains(*made_up(captured=0.4, lungs=0.6, other=0.5)))
    assert bad[verdicts].iloc[0].tolist() == ["does not hold", "does not hold"]
    assert bad["gain over that"].iloc[0].startswith("-0.06 (-0.0")
    most = tables.claims(claim.gains(*made_up(captured=0.7, lungs=0.9, other=0.5)))
    # most, and less than the lungs
    assert most[verdicts].iloc[0].tolist() == ["holds", "does not hold"]


def test_a_method_that_failed_its_calibration_gets_no_verdict():
    """Grad-CAM found the marker on none of 16 phantoms and carried three of six verdicts."""
    maps, phantoms = made_up(captured=0.8, lungs=0.6, other=0.5, calibrated=False)
    shown = tables.claims(claim.gains(maps, phantoms)).iloc[0]
    assert shown["by the letter"] == shown["against the lung field"] == claim.FAILED


def test_what_was_found_stands_with_its_n():
    maps, phantoms = made_up(captured=0.8, lungs=0.6, other=0.5)
    shown = tables.claims(claim.gains(maps, phantoms)).loc[("ResNet18", "occlusion 9 px")]
    assert shown["gain over it"].startswith("+0.24")
    assert (shown.images, shown.patients) == (8, 4)
    rule = tables.text_rule(maps)
    assert rule.loc["ResNet18"].tolist() == [7, 0, 0, 0]  # one image is not called COVID-19


def test_the_share_in_the_lungs_stands_beside_that_of_an_even_map():
    maps, _ = made_up(captured=0.8, lungs=0.6, other=0.5)
    part = maps[maps.method == "occlusion 9 px"].assign(mask="lung", area=0.4)
    row = tables.lungs(pd.concat([maps, part])).loc["occlusion 9 px"]
    assert row["inside the lungs"] == "0.50 (0.50 to 0.50)" and row["patients"] == 4
    assert row["difference"] == "+0.10 (+0.10 to +0.10)"


def test_figures_show_every_model_and_rival():
    maps, phantoms = made_up(captured=0.8, lungs=0.6, other=0.5)
    points = [{"curve": "contained", "model": model, "method": method, "share": s, "value": s}
              for model, method in (("resnet18", "occlusion 9 px"), (None, claim.LUNGS))
              for s in SHARES]  # fmt: skip
    left, right = figures.contained(claim.gains(maps, phantoms), pd.DataFrame(points)).axes
    assert len(left.lines) == 3  # the map, the lung field, chance
    assert right.get_yticklabels()[0].get_text() == "ResNet18\nocclusion 9 px"
    (axis,) = figures.followed(ZONES).axes
    assert [t.get_text() for t in axis.get_yticklabels()] == [
        "second radiologist", "ResNet18, occlusion 9 px"
    ]  # fmt: skip
    assert len(figures.calibration(phantoms).axes[0].get_yticklabels()) == 1


def test_nothing_to_compare_with_is_no_trouble():
    maps, phantoms = made_up(captured=0.8, lungs=0.6, other=0.5)
    none = claim.gains(maps[:0], phantoms)
    assert list(none) == claim.CLAIMS and not len(none)

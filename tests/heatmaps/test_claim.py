"""What maps contain of a mask, where it is known; the verdict; tables of what was found."""

import numpy as np
import pytest

from deepcovid.heatmaps import claim, figures, tables
from deepcovid.heatmaps.agreement import agreement
from deepcovid.study import Missing


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
    found = claim.turned(heat, mask, 0.9)  # 0.9 less 0.5 turns, less 0.3 does not
    assert found["turned"] == 0.4 and found["turned_area"] == 16 / 400
    assert claim.turned(heat, mask, 0.4) == {}  # not called: nothing to turn


def test_a_curve_starts_at_nothing_and_ends_at_all(mask):
    values = claim.curve(mask.astype(float), mask)
    assert values[0] == 0 and values[-1] == 1 and (np.diff(values) >= 0).all()
    assert values[1] == pytest.approx(0.5)  # half of a tenth of the image
    assert claim.curve(np.ones((20, 20)), mask) == pytest.approx(claim.SHARES)


def test_a_mean_curve_has_its_interval_by_patients(mask):
    """Two images of one patient are no two patients: with one patient alone there is no width."""
    curves = [claim.curve(heat, mask) for heat in (mask * 1.0, np.ones((20, 20)))]
    of = claim.mean_curve(curves, ["a", "b"])
    assert of["values"] == pytest.approx(np.mean(curves, axis=0))
    assert of["low"] == pytest.approx(curves[1]) and of["high"] == pytest.approx(curves[0])
    alone = claim.mean_curve(curves, ["a", "a"])
    assert alone["low"] == alone["high"] == pytest.approx(of["values"])


@pytest.mark.parametrize(
    ("passed", "interval", "said"),
    [(True, (0.01, 0.2), "holds"), (True, (-0.2, -0.01), "does not hold"),
     (True, (-0.1, 0.1), "open"), (True, (np.nan, np.nan), claim.NO_LUNGS),
     (False, (0.01, 0.2), claim.FAILED), (None, (0.01, 0.2), claim.UNKNOWN)],
)  # fmt: skip
def test_the_verdict_goes_by_the_interval_and_only_for_a_calibrated_method(passed, interval, said):
    assert claim.verdict(passed, *interval) == said


def test_a_method_is_calibrated_where_it_finds_each_thing_that_was_taught():
    def network(taught, occlusion, grad_cam):
        peaks = {claim.RANDOM: [0.05, 0.0, 0.1], "occlusion": [occlusion], "Grad-CAM": [grad_cam]}
        return {"agreement": {taught: {method: {"pointing": v} for method, v in peaks.items()}}}

    found = {
        "calibration": {
            "lesion": network("lesion", 0.7, 0.4),
            "marker": network("marker", 1.0, 0.1),
        }
    }
    assert claim.calibrated(found) == {"occlusion": True, "Grad-CAM": False}
    assert claim.calibrated({}) == {}


def made_up(captured, lungs, other, calibrated=True):
    """A `heatmaps.json` of one model on images of four patients, two images each."""
    n, rows = 8, []
    for i in range(n):
        base = {key: 0.5 for key in claim.TOLD} | {"group": "test", "model": "resnet18", "image": i}
        rows += [
            base | {"method": "occlusion 9 px", "captured": captured + 0.01 * i,
                    "turned": 0.0 if i else None, "turned_area": 0.0 if i else None},
            base | {"method": "occlusion 9 px, another patient's", "captured": other},
            base | {"model": "", "method": claim.LUNGS, "captured": lungs},
        ]  # fmt: skip
    keys = dict.fromkeys(key for row in rows for key in row)
    curve = {"group": "test", "model": "resnet18", "method": "occlusion 9 px",
             "values": list(claim.SHARES)}  # fmt: skip
    peaks = {claim.RANDOM: {"pointing": [0.1, 0.0, 0.2]},
             "occlusion": {"pointing": [1.0 if calibrated else 0.1, 0.0, 1.0]}}  # fmt: skip
    return {
        "calibration": {"marker": {"phantoms": 16, "agreement": {"marker": peaks}}},
        "fills": {},
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
        },
    }  # fmt: skip


def test_the_claim_follows_the_numbers_both_ways():
    good = made_up(captured=0.8, lungs=0.6, other=0.5)
    row = claim.gains(good).iloc[0]
    assert row.over_lungs[1] > 0 and row.over_other[1] > 0 and row.patients == 4
    table = tables.claims(good)
    assert table.index.tolist() == [("ResNet18", "occlusion 9 px")]
    verdicts = ["by the letter", "against the lung field"]
    assert table[verdicts].iloc[0].tolist() == ["holds", "holds"]
    assert table["gain over it"].iloc[0].startswith("+0.24 (+0.2")
    bad = tables.claims(made_up(captured=0.4, lungs=0.6, other=0.5))
    assert bad[verdicts].iloc[0].tolist() == ["does not hold", "does not hold"]
    most = tables.claims(made_up(captured=0.7, lungs=0.9, other=0.5))
    assert most[verdicts].iloc[0].tolist() == [
        "holds",
        "does not hold",
    ]  # most, and less than the lungs
    assert bad["gain over that"].iloc[0].startswith("-0.06 (-0.0")


def test_a_method_that_failed_its_calibration_gets_no_verdict():
    """Grad-CAM found the marker on none of 16 phantoms and carried three of six verdicts."""
    found = made_up(captured=0.8, lungs=0.6, other=0.5, calibrated=False)
    shown = tables.claims(found)
    assert (
        shown["by the letter"].tolist()
        == shown["against the lung field"].tolist()
        == [claim.FAILED]
    )


def test_what_was_found_stands_with_its_n():
    found = made_up(captured=0.8, lungs=0.6, other=0.5)
    shown = tables.claims(found).loc[("ResNet18", "occlusion 9 px")]
    assert shown["gain over it"].startswith("+0.24")
    assert (shown.images, shown.patients) == (8, 4)
    peaks = tables.calibration_table(found).iloc[0]
    assert peaks[["mean", "low", "high", "phantoms"]].tolist() == pytest.approx(
        [1, 0.794, 1, 16], abs=1e-3
    )
    assert tables.text_rule(made_up(0.8, 0.6, 0.5))["of these with any place"].tolist() == [0]


def test_figures_show_every_model_and_rival():
    found = made_up(captured=0.8, lungs=0.6, other=0.5)
    left, right = figures.contained(found).axes
    assert len(left.lines) == 3  # the map, the lung field, chance
    assert right.get_yticklabels()[0].get_text() == "ResNet18\nocclusion 9 px"
    assert len(figures.followed(claim.zone_numbers(found)).axes) == 1
    calibrated = tables.calibration_table(found)
    assert calibrated.passed.tolist() == [True]
    assert len(figures.calibration(calibrated).axes[0].get_yticklabels()) == 1


def test_nothing_to_compare_with_is_no_trouble():
    for found in ({}, {"lesions": {}}):
        assert not tables.has_lesions(found)
        assert len(claim.zone_numbers(found)) == 0
        assert claim.by_run(found) == {}
    assert not tables.has_lesions(Missing("paper/heatmaps.json"))

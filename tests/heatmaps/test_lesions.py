"""Maps of a run beside what was marked on its phantoms, with models that are known to be right."""

import shutil

import numpy as np
import pandas as pd
import pytest

from deepcovid.heatmaps import cached_maps, claim, figures, lesions, masks, tables, zones

PEAKS = {claim.RANDOM: {"pointing": [0.1, 0.0, 0.2]}, "occlusion": {"pointing": [1, 1, 1]}}
CALIBRATED = {"marker": {"agreement": {"marker": PEAKS}}}


@pytest.fixture
def judged(phantoms, monkeypatch):
    """`lesions.judge` of a run, with maps that are the lesions, the lungs, or neither."""

    def judge(kind):
        def cached_maps(opened, name, model, table, sides):
            found = masks.read_all(opened, kind.removeprefix("not "), table.image)
            heat = np.array([found[i] for i in range(len(table))], np.float32)
            return {"occlusion 9 px": 1 - heat if "not" in kind else heat, "Grad-CAM": heat * 0}

        monkeypatch.setattr(lesions, "cached_maps", cached_maps)
        model = phantoms.model("squeezenet", 0)
        found = lesions.judge(phantoms, {"squeezenet": model}, masks.chosen(phantoms))
        return {"lesions": found, "calibration": CALIBRATED}

    return judge


def of(found, group="test", method="occlusion 9 px"):
    table = claim.gains(found, group).set_index("method")
    return table.loc[method]


@pytest.mark.slow
def test_a_map_of_the_lesions_carries_the_claim_and_beats_the_lungs(judged):
    found = judged("lesion")
    for group in ("test", "train"):
        row = of(found, group)
        assert row.contained[0] == 1 and row.verdict == "holds" and row.images == 8
        assert of(found, group, "Grad-CAM").verdict == claim.UNKNOWN
        assert row.over_lungs[1] > 0 and row.over_other[1] > 0
    each = claim.zone_numbers(found)
    own = each[(each.method == "occlusion 9 px") & (each.group == "test")].iloc[0]
    assert own.severity == lesions.MARKED and own["mean"] == pytest.approx(1)
    assert own.low > each[each.method == "mean of other patients"]["mean"].max()


@pytest.mark.slow
def test_a_map_of_the_lungs_contains_the_lesions_but_no_more_than_the_lungs_do(judged):
    found = judged("lung")
    row = of(found)
    assert row.verdict == "open" and row.contained[0] > 0.9
    assert row.over_lungs == pytest.approx([0, 0, 0], abs=1e-9)
    lungs = claim.table(found).groupby(["method", "group"])[list(claim.TOLD)].mean()
    assert lungs.loc["occlusion 9 px", "test"].equals(lungs.loc[claim.LUNGS, "test"])
    chance = found["lesions"]["random_maps"]["test"]
    assert chance["captured"][0] == pytest.approx(0.5, abs=0.05)
    each = claim.zone_numbers(found).set_index("method")["mean"]
    assert (each["occlusion 9 px"] == 0).all()  # even in all zones


@pytest.mark.slow
def test_a_map_beside_the_lesions_does_not_carry_the_claim(judged):
    found = judged("not lesion")
    row = of(found)
    assert row.contained[0] == 0 and row.verdict == "does not hold" and row.over_lungs[2] < 0
    assert of(found, method="Grad-CAM").highlighted == 0


def test_grades_are_taken_from_the_table_beside_the_images(phantoms):
    table = masks.chosen(phantoms)
    marked = lesions.Group(phantoms, table).grades[lesions.MARKED]
    rank = {i: np.argsort(np.argsort(shares)) for i, shares in marked.items()}
    rows = [{"image": image}
            | {f"S-{zone}": rank[i][k] for k, zone in enumerate(zones.ZONES)}
            | {f"J-{zone}": 5 - rank[i][k] for k, zone in enumerate(zones.ZONES)}
            for i, image in enumerate(table.image[:5])]  # fmt: skip
    pd.DataFrame(rows).to_csv(phantoms.data / "brixia.csv", index=False)
    group = lesions.Group(phantoms, table)
    assert len(group.grades[lesions.BRIXIA]) == 5
    readers = pd.DataFrame(group.readers()).groupby(["severity", "method"]).rho.mean()
    assert readers[lesions.BRIXIA, "second radiologist"] == pytest.approx(-1)
    heat = np.array([masks.read(phantoms, "lesion", image) for image in table.image]) * 1.0
    rho = pd.DataFrame(group.followed({"map": heat})).groupby("severity").rho.mean()
    assert rho[lesions.MARKED] == pytest.approx(1) and rho[lesions.BRIXIA] > 0.8


@pytest.mark.slow
def test_without_lung_masks_the_lung_field_is_no_rival(phantoms, judged):
    shutil.rmtree(phantoms.data / "lung-masks")
    found = judged("lesion")
    row = of(found)
    assert row.verdict == claim.NO_LUNGS and np.isnan(row.lungs) and row.over_other[1] > 0
    assert set(tables.claims(found)["lung field"]) == {"nan"}
    assert len(claim.zone_numbers(found)) == 0 and len(figures.contained(found).axes) == 2


def test_images_without_masks_are_no_trouble(phantoms):
    for kind in masks.MASKS:
        shutil.rmtree(phantoms.data / f"{kind}-masks")
    model = phantoms.model("squeezenet", 0)
    found = lesions.judge(phantoms, {"squeezenet": model}, masks.chosen(phantoms).head(2))
    assert not found["random_maps"] and not found["rows"] and not found["zones"]


def test_maps_are_kept_until_the_model_or_the_code_changes(phantoms, monkeypatch):
    model, table = phantoms.model("squeezenet", 0), masks.chosen(phantoms).head(2)
    first = cached_maps.cached_maps(phantoms, "squeezenet", model, table, [18])
    with monkeypatch.context() as patch:
        patch.setattr(cached_maps, "read", None)  # a second call reads and computes nothing
        again = cached_maps.cached_maps(phantoms, "squeezenet", model, table, [18])
    assert all(np.array_equal(first[method], again[method]) for method in first)
    with monkeypatch.context() as patch, pytest.raises(TypeError):
        patch.setattr(cached_maps, "read", None)
        patch.setattr(cached_maps, "code", lambda *modules: "other")
        cached_maps.cached_maps(phantoms, "squeezenet", model, table, [18])
    model.head[1].weight.data.mul_(1.5)
    other = cached_maps.cached_maps(phantoms, "squeezenet", model, table, [18])
    assert not np.array_equal(other["occlusion 18 px"], first["occlusion 18 px"])

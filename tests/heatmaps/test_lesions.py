"""Maps of a run beside what was marked on its phantoms, with models that are known to be right."""

import shutil

import numpy as np
import pandas as pd
import pytest

from deepcovid.heatmaps import claim, maps, masks, study, tables
from deepcovid.heatmaps.agreement import MEASURES
from deepcovid.metrics.intervals import means_by_patient

OCCLUSION = {
    "taught": "marker",
    "mask": "marker",
    "method": "occlusion",
    "mean": 1,
    "random_high": 0.2,
}


@pytest.fixture
def judged(phantoms, monkeypatch):
    """`maps.csv` and zones of a run, with maps that are the lesions, the lungs, or neither."""

    def judge(kind):
        def cached_maps(opened, name, model, table, sides):
            found = masks.read_all(opened, kind.removeprefix("not "), table.image)
            heat = np.array([found[i] for i in range(len(table))], np.float32)
            return {"occlusion 9 px": 1 - heat if "not" in kind else heat, "Grad-CAM": heat * 0}

        monkeypatch.setattr(maps, "cached_maps", cached_maps)
        models = {"squeezenet": phantoms.model("squeezenet", 0)}
        groups = {
            "test": masks.chosen(phantoms),
            "train": masks.with_mask(phantoms, False, ("lesion",)),
        }
        rows, rhos, _ = zip(
            *(study.judge(phantoms, models, *group) for group in groups.items()), strict=True
        )
        table = pd.DataFrame([*rows[0], *rows[1]], columns=claim.MAPS)
        rhos = pd.DataFrame([*rhos[0], *rhos[1]], columns=[*study.ZONES, "patient", "rho"])
        gains = claim.gains(table, pd.DataFrame([OCCLUSION]))
        return (
            table,
            gains.set_index(["group", "method"]),
            means_by_patient(rhos, study.ZONES, "rho"),
        )

    return judge


@pytest.mark.slow
def test_a_map_of_the_lesions_carries_the_claim_and_beats_the_lungs(judged):
    _, gains, zones = judged("lesion")
    for group in ("test", "train"):
        row = gains.loc[group, "occlusion 9 px"]
        assert row.contained == 1 and row.verdict == "holds" and row.images == 8
        assert gains.verdict[group, "Grad-CAM"] == claim.UNKNOWN
        assert row.over_lungs_low > 0 and row.over_other_low > 0
    own = zones[(zones.method == "occlusion 9 px") & (zones.group == "test")].iloc[0]
    assert own.severity == study.MARKED and own["mean"] == pytest.approx(1)
    assert own.low > zones[zones.method == "mean of other patients"]["mean"].max()


@pytest.mark.slow
def test_a_map_of_the_lungs_contains_the_lesions_but_no_more_than_the_lungs_do(judged):
    maps, gains, zones = judged("lung")
    row = gains.loc["test", "occlusion 9 px"]
    assert row.verdict == "open" and row.contained > 0.9
    ends = ["over_lungs", "over_lungs_low", "over_lungs_high"]
    assert row[ends].tolist() == pytest.approx([0, 0, 0], abs=1e-9)
    maps = maps[(maps["mask"] == "lesion") & (maps.group == "test")]
    means = maps.groupby("method")[list(MEASURES)].mean()
    assert means.loc["occlusion 9 px"].equals(means.loc[claim.LUNGS])
    assert (zones["mean"][zones.method == "occlusion 9 px"] == 0).all()  # even in all zones


@pytest.mark.slow
def test_a_map_beside_the_lesions_does_not_carry_the_claim(judged):
    _, gains, _ = judged("not lesion")
    row = gains.loc["test", "occlusion 9 px"]
    assert row.contained == 0 and row.verdict == "does not hold" and row.over_lungs_high < 0
    assert gains.highlighted["test", "Grad-CAM"] == 0


def test_grades_are_taken_from_the_table_beside_the_images(phantoms):
    table = masks.chosen(phantoms)
    marked = {kind: masks.read_all(phantoms, kind, table.image) for kind in masks.MASKS}
    zone, grades, rivals = study.graded(phantoms, table, marked)
    assert not grades[study.BRIXIA] and len(zone) == len(grades[study.MARKED]) == 8
    rank = {i: np.argsort(np.argsort(shares)) for i, shares in grades[study.MARKED].items()}
    rows = [{"image": image}
            | {f"S-{name}": rank[i][k] // 2 for k, name in enumerate(masks.ZONES)}
            | {f"J-{name}": (5 - rank[i][k]) // 2 for k, name in enumerate(masks.ZONES)}
            for i, image in enumerate(table.image[:5])]  # fmt: skip
    pd.DataFrame(rows).to_csv(phantoms.data / "brixia.csv", index=False)
    _, grades, rivals = study.graded(phantoms, table, marked)
    graded, second = grades[study.BRIXIA], rivals[study.BRIXIA, None, study.SECOND]
    assert len(graded) == 5
    assert [row["rho"] for row in masks.followed(second, graded)] == pytest.approx([-1] * 5)
    for severity, least in ((study.MARKED, 0.999), (study.BRIXIA, 0.8)):
        own = masks.followed(grades[study.MARKED], grades[severity])
        assert own and all(row["rho"] > least for row in own)


@pytest.mark.slow
def test_without_lung_masks_the_lung_field_is_no_rival(phantoms, judged):
    shutil.rmtree(phantoms.data / "lung-masks")
    _, gains, zones = judged("lesion")
    row = gains.loc["test", "occlusion 9 px"]
    assert row.verdict == claim.NO_LUNGS and np.isnan(row.lungs) and row.over_other_low > 0
    assert set(tables.claims(gains.reset_index())["lung field"]) == {"nan"}
    assert len(zones) == 0


def test_images_without_masks_are_no_trouble(phantoms):
    for kind in masks.MASKS:
        shutil.rmtree(phantoms.data / f"{kind}-masks")
    model = phantoms.model("squeezenet", 0)
    table = masks.chosen(phantoms).head(2)
    assert study.judge(phantoms, {"squeezenet": model}, "test", table) == ([], [], [])


def test_maps_are_kept_until_the_model_or_the_code_changes(phantoms, monkeypatch):
    model, table = phantoms.model("squeezenet", 0), masks.chosen(phantoms).head(2)
    first = maps.cached_maps(phantoms, "squeezenet", model, table, [18])
    with monkeypatch.context() as patch:
        patch.setattr(maps, "inputs_of", None)  # a second call reads and computes nothing
        again = maps.cached_maps(phantoms, "squeezenet", model, table, [18])
    assert all(np.array_equal(first[method], again[method]) for method in first)
    with monkeypatch.context() as patch, pytest.raises(TypeError):
        patch.setattr(maps, "inputs_of", None)
        patch.setattr(maps, "code", lambda *modules: "other")
        maps.cached_maps(phantoms, "squeezenet", model, table, [18])
    model.head[1].weight.data.mul_(1.5)
    other = maps.cached_maps(phantoms, "squeezenet", model, table, [18])
    assert not np.array_equal(other["occlusion 18 px"], first["occlusion 18 px"])

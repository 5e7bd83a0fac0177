"""A correlation with severity is found where lesions grow, and not where a marker grows."""

import numpy as np
import pandas as pd
import pytest
from conftest import changed, draw, user_error
from PIL import Image
from scipy.stats import spearmanr

from deepcovid.fair_test import collection, severity, study
from deepcovid.models.run import Run

GRADES = np.repeat(np.arange(0, 18, 2), 3)


def grown(run, tmp_path, lesion: bool) -> Run:
    """A collection of COVID-19 pictures graded 0 to 16, whose lesion, or corner, brightens with it."""
    folder, rows, told = tmp_path / "grown", [], []
    for i, grade in enumerate(GRADES):
        path = folder / "covid" / f"g{i}.png"
        draw(path, 9000 + i, int(6 * grade) if lesion else 45)
        # grain of its own: smooth small pictures are alike enough to pass for doubles
        grain = np.random.default_rng(i).integers(-8, 9, (48, 48))
        pixels = (np.array(Image.open(path)) + grain).clip(0, 255).astype(np.uint8)
        pixels[:12, :12] = 255 if lesion else 100 + 9 * grade
        Image.fromarray(pixels).save(path)
        rows.append({"name": path.name, "finding": "COVID-19", "patientid": f"g{i}"})
        told.append({"image": f"covid/{path.name}", "S-Global": grade, "J-Global": grade})
    draw(folder / "non" / "n.png", 1)
    rows.append({"name": "n.png", "finding": "Other", "patientid": "n"})
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)
    pd.DataFrame(told).to_csv(folder / "severity.csv", index=False)
    place = {"collection": str(folder), "severity": str(folder / "severity.csv")}
    return Run(changed(run, **place).profile)


@pytest.mark.slow
@pytest.mark.parametrize("lesion", [True, False])
def test_a_score_about_the_disease_rises_with_it_and_not_with_a_marker(
    honest, tmp_path, monkeypatch, lesion
):
    run = grown(honest, tmp_path, lesion)
    # two more networks, tested by the demo
    monkeypatch.setattr(
        severity, "floors", lambda _, fresh, bank: [("untrained: resnet18", fresh.label)]
    )
    table = collection.with_trained(run, collection.of(run))
    found = severity.compare(run, table, study.scored(run, table), None)
    row = found.set_index("rater").loc["resnet18"]
    assert row.images == len(GRADES)
    if lesion:
        assert row.rho > 0.7 and row.low > 0.4
        assert row.gain == row.rho and row.gain_low == row.low  # what scores all alike has none
    else:
        assert abs(row.rho) < 0.6 and row.low < 0.3


def test_the_interval_resamples_groups():
    """Twice the same cases: the correlation stays, and so does the interval; images would halve it."""
    random = np.random.default_rng(0)
    score, grade = random.random(30), random.integers(0, 19, 30)
    once = severity.correlation(score, grade, np.arange(30))
    twice = severity.correlation(np.tile(score, 2), np.tile(grade, 2), np.tile(np.arange(30), 2))
    assert twice["rho"] == pytest.approx(once["rho"])
    assert twice["low"] == pytest.approx(once["low"], abs=0.06)
    assert (twice["images"], twice["groups"]) == (60, 30)


def test_a_score_is_held_against_a_rival_in_the_same_resamples(monkeypatch):
    monkeypatch.setattr(severity, "RESAMPLES", 100)
    random = np.random.default_rng(0)
    grade = np.tile(np.arange(15), 4)
    score = grade + random.normal(0, 2, 60)
    found = severity.correlation(score, grade, np.arange(60), rival=random.random(60))
    assert found["gain_low"] > 0 and found["rho"] > 0.8
    twin = severity.correlation(score, grade, np.arange(60), rival=2 * score)
    assert twin["gain"] == twin["gain_low"] == twin["gain_high"] == 0  # paired: no luck in between
    assert (twin["low"], twin["high"]) == (found["low"], found["high"])


def test_a_constant_score_has_no_order_and_few_images_no_correlation():
    assert severity.correlation(np.ones(20), np.arange(20), np.arange(20))["rho"] == 0
    few = severity.correlation(*[np.arange(5)] * 4)
    assert np.isnan(few["rho"]) and np.isnan(few["gain"]) and few["images"] == 5


def test_correlations_of_resamples_are_those_of_the_images_repeated():
    random = np.random.default_rng(0)
    a, b = random.integers(0, 6, 25), random.integers(0, 6, 25)
    times = random.multinomial(25, np.full(25, 1 / 25), 20)
    times[0] = 25 * (np.arange(25) == 3)  # one image alone has no order
    found = severity.rho(a, b, times)
    assert found[0] == 0
    expected = [spearmanr(np.repeat(a, n), np.repeat(b, n)).statistic for n in times[1:]]
    np.testing.assert_allclose(found[1:], expected, atol=1e-12)


def test_a_table_of_severities_that_is_not_one_is_refused(honest, tmp_path):
    table = collection.of(honest)
    path = tmp_path / "severity.csv"
    run = Run(changed(honest.profile, severity=str(path)))
    with user_error("no table of severities"):
        severity.graded(run, table)
    path.write_text("image,S-Global,J-Global\ncovid/nobody.png,3,3\n")
    with user_error("grades 0 COVID-19 images"):
        severity.compare(run, table.assign(trained=False), {}, None)
    path.write_text("image,S-Global\n")
    with user_error("lacks the columns J-Global"):
        severity.graded(run, table)

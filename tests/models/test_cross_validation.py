"""Cross-validated scores: no patient in both parts of a fold, made anew when anything changes."""

import pandas as pd
import pytest
from conftest import changed

from deepcovid.data import manifest
from deepcovid.models import networks, scoring, training


@pytest.fixture
def quick(run):
    return changed(run, epochs=1)


def copied(table, image, patient, label=1, of=""):
    row = table.iloc[0].to_dict() | {"image": image, "patient": patient, "label": label}
    return row | {"augmented_from": of}


def test_no_patient_and_no_copy_of_one_is_trained_on_and_scored(quick):
    table = scoring.pool(quick)
    # two images of a patient, copies of one of them, one of which was given another patient
    images = [
        ("a.png", "p1", ""),
        ("b.png", "p1", ""),
        ("c.png", "p1", "a.png"),
        ("d.png", "p2", "a.png"),
    ]
    more = [copied(table, image, patient, of=of) for image, patient, of in images]
    table = pd.concat([table, pd.DataFrame(more)], ignore_index=True)
    folds = scoring.assign_folds(manifest.originals(table))
    scored = []
    for fold in sorted(set(folds)):
        parts = scoring.split(table, folds, fold)
        train, held = parts["train"], parts["scored"]
        assert not set(train.patient) & set(held.patient)
        assert not set(train.augmented_from) & set(held.image)
        assert train.label.nunique() == 2 and (held.augmented_from == "").all()
        scored += list(held.image)
    assert sorted(scored) == sorted(manifest.originals(table).image)
    assert len(set(folds)) == scoring.FOLDS


def test_every_original_of_training_and_validation_is_scored_once(quick):
    path = scoring.cross_validate(quick, "squeezenet", 0)
    table = pd.read_csv(path)
    assert list(table.columns) == scoring.CV_COLUMNS
    wanted = quick.originals()[lambda t: t.split != "test"]
    assert list(table.image) == sorted(wanted.image) and (wanted.split == "validation").any()
    assert table.score.between(0, 1).all() and table.score.nunique() > 5


def test_it_is_kept_until_what_it_was_made_from_changes(quick, edited, monkeypatch):
    monkeypatch.setattr(scoring, "FOLDS", 2)
    path = scoring.cross_validate(quick, "squeezenet", 0)

    def made_anew(opened, seed=0):
        before = path.stat().st_mtime_ns
        scoring.cross_validate(opened, "squeezenet", seed)
        return path.stat().st_mtime_ns != before

    assert not made_anew(quick)
    assert made_anew(changed(quick, learning_rate=0.02))
    table = quick.training
    table.loc[table.index[0], "patient"] = "somebody else"
    assert made_anew(quick)
    edited(training)
    assert made_anew(quick)


def test_a_recipe_that_trains_more_than_the_head_gets_none_and_says_why(quick, capsys):
    path = scoring.cross_validate(quick, "squeezenet", 0)
    for setting, words in (
        ({"trainable": "all"}, "does not train the head alone"),
        ({"train_crop": "random"}, "does not train the head alone"),
        ({"selection": "test_accuracy"}, "selects an epoch by test_accuracy"),
    ):
        assert scoring.cross_validate(changed(quick, **setting), "squeezenet", 0) is None
        assert words in capsys.readouterr().out
        assert not path.exists()


def test_copies_of_validation_patients_that_the_release_has_are_trained_on(run):
    table = run.manifest
    held = table[(table.split == "validation") & (table.label == 1)].iloc[0].to_dict()
    copy = held | {"image": "train/covid/copy.png", "augmented_from": held["image"]}
    run.manifest = pd.concat([table, pd.DataFrame([copy])], ignore_index=True)
    released = changed(run, augment_positives="release")
    released.manifest = run.manifest
    released.training = run.training
    assert copy["image"] in set(scoring.pool(released).image)
    assert copy["image"] not in set(scoring.pool(run).image)


def test_one_patient_of_a_class_is_too_few(quick):
    table = scoring.pool(quick)
    table.loc[table.label == 1, "patient"] = "one"
    folds = scoring.assign_folds(table)
    model, _ = networks.build("squeezenet", "random", 0)
    assert "one patient only" in scoring.why_not(quick, model, folds)

import pytest
from conftest import user_error

from deepcovid import profiles


def test_every_profile_loads_and_the_paper_is_the_papers_recipe():
    assert {"demo", "paper", "released", "failed", "control"} <= set(profiles.names())
    for name in profiles.names():
        assert profiles.load(name).name == name
    paper = profiles.load("paper")
    assert (paper.optimizer, paper.learning_rate, paper.batch_size) == ("adam", 1e-4, 20)
    assert (paper.epochs, paper.trainable, paper.image_size) == (100, "head", 224)
    assert paper.models == profiles.MODELS


def test_overrides_arrive_as_text_and_leave_typed():
    run = profiles.load(
        "paper",
        {
            "epochs": "7",
            "seeds": "0, 3",
            "learning_rate": "1e-3",
            "models": "squeezenet,resnet18",
            "threshold": "0.2",
            "augment_positives": "5",
            "external": "none",
        },
    )
    assert (run.epochs, run.seeds, run.learning_rate) == (7, (0, 3), 1e-3)
    assert run.models == ("squeezenet", "resnet18")
    assert (run.threshold, run.augment_positives, run.external) == (0.2, 5, None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0),
        ("epochs", "2.5"),
        ("epochs", True),
        ("models", "vgg16"),
        ("models", ""),
        ("models", "resnet18,resnet18"),
        ("learning_rate", "fast"),
        ("learning_rate", -1),
        ("threshold", 1.5),
        ("device", "tpu"),
        ("seeds", "a"),
        ("validation_fraction", 0.9),
        ("augment_positives", 0),
        ("learning_rate", float("nan")),
        ("epochs", None),
        ("data", ""),
    ],
)
def test_a_value_out_of_range_is_refused_with_key_and_what_is_allowed(key, value):
    with user_error(f"{key} is .* but must be .*{profiles.CHECKS[key].allowed[:12]}"):
        profiles.load("paper", {key: value})


def test_unknown_profile_key_and_file_are_named(tmp_path, monkeypatch):
    with user_error("no profile 'papier'.*paper"):
        profiles.load("papier")
    with user_error("unknown setting 'epoch'.*epochs"):
        profiles.load("paper", {"epoch": 3})
    monkeypatch.setattr(profiles, "PROFILES", tmp_path)
    (tmp_path / "own.yaml").write_text("learning_rate: 1e-4\nspeed: 3\n")
    with user_error("own.yaml: unknown setting 'speed'"):
        profiles.load("own")
    (tmp_path / "own.yaml").write_text("learning_rate: 1e-4\n")
    with user_error("own.yaml does not set data"):
        profiles.load("own")
    (tmp_path / "own.yaml").write_text("a: [")
    with user_error("own.yaml is not valid YAML"):
        profiles.load("own")


def test_relative_paths_are_taken_from_where_they_were_written(tmp_path):
    overrides = profiles.check({"data": "images", "weights": "random"}, "-p", tmp_path)
    assert overrides == {"data": str(tmp_path / "images"), "weights": "random"}
    assert profiles.load("paper").data == str(profiles.ROOT / "data" / "covid-xray-5k")


def test_what_is_chosen_on_validation_needs_a_validation_split():
    with user_error("set validation_fraction above 0"):
        profiles.load("paper", {"validation_fraction": 0})
    assert profiles.load("paper", {"validation_fraction": 0, "threshold": 0.5})

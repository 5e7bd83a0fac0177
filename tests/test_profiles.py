import dataclasses
import shutil

import pytest
from conftest import user_error

from deepcovid import profiles


def test_every_profile_loads_and_the_paper_is_the_papers_recipe():
    assert {"demo", "paper", "released", "failed", "control"} <= set(profiles.names())
    for name in profiles.names():
        for run in [f"{name}/{run}" for run in profiles.runs_of(name)] or [name]:
            assert profiles.load(run).name == run
    paper = profiles.load("paper")
    assert (paper.optimizer, paper.learning_rate, paper.batch_size) == ("adam", 1e-4, 20)
    assert (paper.epochs, paper.trainable, paper.image_size) == (100, "head", 224)
    assert paper.models == ("resnet18", "resnet50", "squeezenet", "densenet121")
    assert set(profiles.RECIPE) <= set(paper.settings())


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
            "weights": "ImageNet",
        },
    )
    assert (run.epochs, run.seeds, run.learning_rate) == (7, (0, 3), 1e-3)
    assert run.models == ("squeezenet", "resnet18")
    assert (run.threshold, run.augment_positives, run.external) == (0.2, 5, None)
    assert run.weights == "imagenet"
    assert dataclasses.replace(run, name="other").settings() == run.settings() | {"name": "other"}


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("epochs", 0, "greater than or equal to 1$"),
        ("epochs", "2.5", "a valid integer"),
        ("epochs", None, "a valid integer"),
        ("models", "vgg16", "'resnet18', 'resnet50', 'squeezenet'"),
        ("models", "", "'resnet18', "),
        ("models", "resnet18,resnet18", "entries must differ"),
        ("learning_rate", float("nan"), "less than or equal to 10"),
        ("threshold", "yuden", "a valid number, .*\n-p: .*should match pattern"),
        ("seeds", "a", "a valid integer[^;]*$"),
        ("augment_positives", 0, "greater than or equal to 1\n-p: .*Input should be 'release'"),
        ("data", "", "at least 1 character"),
        ("external", 3, "a valid string"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_key_and_what_is_allowed(key, value, allowed):
    with user_error(f"^-p: {key} is {value!r}: .*{allowed}"):
        profiles.load("paper", {key: value})


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of profiles, a copy of ours, to which files may be added."""
    shutil.copytree(profiles.PROFILES, tmp_path / "profiles")
    monkeypatch.setattr(profiles, "PROFILES", tmp_path / "profiles")
    return tmp_path / "profiles"


def test_all_values_that_are_wrong_are_named_at_once_each_with_where_it_was_set(own):
    (own / "own.yaml").write_text("like: paper\nmomentum: 3\nepochs: 5\n")
    with pytest.raises(profiles.UserError) as error:
        profiles.load("own", {"epochs": 0})
    assert [line.split(": I")[0] for line in str(error.value).splitlines()] == [
        "own.yaml: momentum is 3",
        "-p: epochs is 0",
    ]


def test_unknown_profile_key_and_file_are_named(own):
    with user_error("no profile 'papier'. Did you mean paper.*There are: .*released"):
        profiles.load("papier")
    with user_error("unknown setting 'epoch'. Did you mean epochs"):
        profiles.load("paper", {"epoch": 3})
    with user_error("unknown setting 'zzz'. There are: data, external, .*threshold"):
        profiles.load("paper", {"zzz": 3})
    for text, message in {
        "learning_rate: 1e-4\nspeed: 3\n": "own.yaml: unknown setting 'speed'",
        "learning_rate: 1e-4\n": "profile own does not set data, external",
        "a: [": "own.yaml cannot be read as YAML: .*line 1, column 5",
        "- epochs: 3": "own.yaml must hold lines such as 'epochs: 10', not",
        "like: own\n": "own.yaml is like itself: own > own",
        "like: other\n": "own.yaml is like itself: own > other > own",
        "like: [a, b]\n": "no profile",
        "1: 2\n": "unknown setting '1'",
    }.items():
        (own / "own.yaml").write_text(text)
        (own / "other.yaml").write_text("like: own\n")
        with user_error(message):
            profiles.load("own")
    (own / "own.yaml").write_bytes("# ä\nepochs: 3".encode("latin-1"))
    with user_error("own.yaml cannot be read as YAML: .*utf-8.* position 2"):
        profiles.load("own")


def test_relative_paths_are_taken_from_where_they_were_written(tmp_path):
    overrides = profiles.check({"data": "images", "weights": "random"}, "-p", tmp_path)
    assert overrides == {"data": str(tmp_path / "images"), "weights": "random"}
    assert profiles.load("paper").data == str(profiles.ROOT / "data" / "covid-xray-5k")


def test_what_is_chosen_on_validation_needs_a_validation_split():
    with user_error("set validation_fraction above 0"):
        profiles.load("paper", {"validation_fraction": 0})
    assert profiles.load("paper", {"validation_fraction": 0, "threshold": 0.5})


def test_a_drawn_collection_goes_with_drawn_images_only(tmp_path):
    assert profiles.load("demo").collection.endswith("phantom/collection")
    own = profiles.load("demo", {"data": str(tmp_path)})
    assert own.external is own.collection is own.severity is None
    given = profiles.load("demo", {"data": str(tmp_path), "collection": str(tmp_path / "c")})
    assert given.collection == str(tmp_path / "c")


def test_a_study_gives_its_runs_what_was_asked_for_but_not_what_a_run_sets_itself():
    assert profiles.chosen_runs("real", {"models": "resnet50"}).keys() == {
        "paper",
        "control",
        "ablation",
    }
    given = {"models": ("resnet18", "squeezenet"), "weights": "/w", "data": "/d", "epochs": "3"}
    paper, control, fair = (
        profiles.load(f"real/{run}", given) for run in ("paper", "control", "fair")
    )
    assert paper.models == ("resnet18", "squeezenet") and fair.models == ("squeezenet",)
    assert (paper.weights, control.weights) == ("/w", "random") and paper.epochs == fair.epochs == 3
    assert paper.data == "/d" and fair.data == str(paper.folder / "fair_data")
    assert paper.folder.parent == fair.folder.parent and paper.features == fair.features
    for name, message in (("real/papr", "no run 'papr'.*paper"), ("real", "several runs: paper")):
        with user_error(message):
            profiles.load(name)

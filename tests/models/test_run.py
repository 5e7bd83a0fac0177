from conftest import changed, user_error

from deepcovid.models import networks, scoring, training
from deepcovid.models.run import Run


def test_it_opens_by_name_and_gives_tables_and_files(run, profile):
    assert Run.open("demo", {"models": "resnet18"}).profile.models == ("resnet18",)
    assert run.folder == profile.folder and run.data == profile.data_folder
    table = run.inventory
    assert list(table.image[: len(run.manifest)]) == list(run.manifest.image)
    made = table[table.augmented_from != ""]
    assert len(made) and set(made.image) <= set(run.training.image)
    assert all(path.is_file() for path in run.paths(table.image))
    assert set(run.originals("test").split) == {"test"}
    assert len(run.originals()) == len(run.manifest)
    assert run.preprocessing is None and changed(run, preprocessing=("grey",)).preprocessing.steps


def test_a_trained_model_is_the_one_that_wrote_the_scores(run):
    training.run(run, "squeezenet", 0)
    scoring.run(run, "squeezenet", 0)
    model = run.model("squeezenet", 0)
    assert not model.training and model is not run.model("squeezenet", 0)
    before, _ = run.build("squeezenet", 0)
    assert networks.state_digest(model.backbone) == networks.state_digest(before.backbone)
    assert networks.state_digest(model.head) != networks.state_digest(before.head)
    assert list(run.scores("squeezenet", 0).columns) == scoring.COLUMNS


def test_what_is_missing_is_named_with_the_notebook_that_makes_it(run):
    for ask in (run.model, run.scores):
        with user_error("03_training first"):
            ask("squeezenet", 0)
    (run.folder / "training.csv").unlink()
    with user_error("02_augmentation first"):
        _ = Run(run.profile).training
    (run.folder / "manifest.csv").unlink()
    with user_error("01_dataset"):
        _ = Run(run.profile).manifest


def test_a_checkpoint_of_another_recipe_or_images_is_refused(run):
    folder = training.run(run, "squeezenet", 0)
    run.model("squeezenet", 0)
    with user_error("checkpoint.pt does not belong.*other recipe.*03_training"):
        changed(run, epochs=9).model("squeezenet", 0)
    with user_error("other preprocessing"):
        changed(run, preprocessing=("grey",)).model("squeezenet", 0)
    assert changed(run, threshold=0.3).model("squeezenet", 0)
    run.training.iloc[:-1].to_csv(run.folder / "training.csv", index=False)
    with user_error(r"\(other images\)"):
        Run(run.profile).model("squeezenet", 0)
    run.training.to_csv(run.folder / "training.csv", index=False)
    for path in (folder / "checkpoint.pt.made-from", folder / "training.json"):
        path.unlink()
        with user_error("is not whole"):
            Run(run.profile).model("squeezenet", 0)

from conftest import changed, draw, user_error
from PIL import Image

from deepcovid.data import figures, manifest, tables
from imageaudit import images


def test_a_planted_double_is_found_within_and_across_splits_and_outside(
    own, tmp_path, audited, plant
):
    covid = sorted((own.data_folder / "train" / "covid").iterdir())
    plant(covid[0], own.data_folder / "test" / "covid" / "covid-phantom77777-1.jpg")
    plant(covid[3], own.data_folder / "train" / "covid" / "covid-phantom88888-1.jpg")
    non = sorted((own.data_folder / "test" / "non").iterdir())[0]
    plant(non, tmp_path / "elsewhere" / "non" / "00000001_000.jpg")
    draw(tmp_path / "elsewhere" / "covid" / "a.png", 1)
    found = audited(changed(own, external=str(tmp_path / "elsewhere")))["near_duplicates"]
    two = [pair["where"] for pair in found["pairs"] if not pair["same_patient"]]
    assert sorted(two) == ["external and test", "test and train", "train"]
    assert found["test_images_also_in_train"] == ["test/covid/covid-phantom77777-1.jpg"]
    assert tables.pair_counts({"near_duplicates": found}).iloc[:, 0].sum() == 3
    figures.near_duplicates(found)


def test_an_unreadable_external_image_is_refused_by_name(own, tmp_path, audited):
    for name in ("covid/b.png", "non/a.png"):
        (tmp_path / "elsewhere" / name).parent.mkdir(parents=True)
        (tmp_path / "elsewhere" / name).write_bytes(b"")
    with user_error("a.png(.|\n)*b.png"):
        audited(changed(own, external=str(tmp_path / "elsewhere")))


def test_the_releases_copies_are_counted_and_compared(own, audited):
    folder = own.data_folder / "train" / "covid"
    name = sorted(folder.iterdir())[0].name
    pixels = images.open_radiograph(folder / name)
    for i, copy in enumerate((pixels, pixels.transpose(Image.Transpose.FLIP_LEFT_RIGHT))):
        uuid = f"96bc1d8f-48f9-4b55-b91b-07470ed947b{i}"
        copy.save(folder / f"covid_original_{name.removesuffix('.png')}.png_{uuid}.png")
    found = audited(own)["released_augmentation"]
    assert found["copies_look"] == {
        "unchanged": 1, "moved a little": 0, "mirrored": 1, "too changed to tell": 0,
        "original missing": 0,
    }  # fmt: skip
    assert found["originals_by_copies"] == {"0": 7, "2": 1}
    assert found["mean_images_per_original"] == 1.25
    figures.released_copies(found)


def test_only_names_of_chestxray8_tell_an_external_patient(tmp_path):
    names = ("No_findings-00001280_004.png", "00001280_005.png", "20200401_001.png",
             "a/20200401_002.png", "scan.png", "a/scan.png")  # fmt: skip
    for name in names:
        path = tmp_path / "NON" / name
        draw(path, 1)
    draw(tmp_path / "covid" / "a.png", 1)
    table = manifest.external(tmp_path).set_index("image")
    assert table.patient["NON/00001280_005.png"] == "ChestX-ray8 00001280"
    assert table.patient.nunique() == 6 and table.label.sum() == 1

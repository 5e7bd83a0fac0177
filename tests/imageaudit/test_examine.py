"""The audit from its first step to its last, on the datasets that people really have."""

import numpy as np
import pandas as pd
import pytest
from conftest import draw, user_error
from pictures import GREY, write_dicom
from PIL import Image

from benchmarks import audit_calibration as calibration
from imageaudit.dataset import Options
from imageaudit.examine import examine
from imageaudit.findings import FAIL_ON

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast


def by_kind(found) -> dict:
    return {finding.kind: finding for finding in found.findings}


def test_an_honest_dataset_raises_no_alarm_and_says_what_it_would_have_found(dataset):
    found = examine(dataset(bright={"left": 70}))
    assert not found.alarm and "No alarm" in found.report["verdict"]
    assert found.report["images"] == 28
    assert by_kind(found)["border"].rows[0]["smallest_auc"] > 0.6
    assert by_kind(found)[
        "little"
    ].raised  # the middle of one class is brighter: may be the disease


def test_one_class_saved_otherwise_and_a_column_that_tells_and_what_is_ignored(dataset):
    folder = dataset(count=16)
    for path in (folder / "left").glob("*.png"):
        Image.open(path).convert("RGB").save(path)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    site = ["north" if name.startswith("left") else "south" for name in names]
    rows = {"path": names, "label": [n.split("/")[0] for n in names], "site": site, "same": "x"}
    pd.DataFrame(rows).to_csv(folder / "t.csv", index=False)
    found = by_kind(examined := examine(folder / "t.csv"))
    assert found["properties"].raised and found["properties"].rows[0]["seen"] == "mode"
    assert found["properties"].rows[0]["auc"] == 1 and examined.alarm
    assert found["columns"].rows[0]["seen"] == "site" and found["columns"].raised
    assert found["columns"].more["not asked"] == {"same": "always x"}
    assert "columns" not in by_kind(examine(folder / "t.csv", Options(ignore=("site", "same"))))
    said = []
    alone = examine(folder / "t.csv", Options(ignore=("site",)), say=said.append)
    told = "not asked about, since nothing can be told from them: same (always x)."
    for where in (said, alone.report["understood"], alone.report["notes"]):
        assert told in " ".join(where)
    quiet = examine(folder / "t.csv", fail_on=("border",))
    assert not quiet.alarm and by_kind(quiet)["columns"].raised


def test_three_classes_of_five_images(dataset):
    found = examine(dataset(("a", "b", "c"), 5))
    assert not found.alarm and set(by_kind(found)["border"].rows[0]["auc of each class"]) == set(
        "abc"
    )


def test_five_images_of_each_class_are_too_few_for_any_alarm(dataset):
    found = examine(dataset(count=5))
    assert not found.alarm and found.report["images"] == 10


def test_one_patient_only(dataset):
    folder = dataset(count=6)
    for path in list(folder.rglob("*.png")):
        path.rename(path.with_name(f"patient7-{path.name}"))
    with user_error("All 12 images are of one patient .patient7"):
        examine(folder)


def test_images_that_are_all_alike(tmp_path):
    for name in ("a/1", "a/2", "a/3", "b/1", "b/2", "b/3"):
        draw(tmp_path / f"{name}.png", 0)
    with user_error("All 6 images show one and the same radiograph"):
        examine(tmp_path)


def test_images_without_content_are_named(tmp_path):
    for name in ("a/1", "a/2", "a/3", "b/1", "b/2", "b/3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((40, 40), int(name[-1]), np.uint8)).save(tmp_path / f"{name}.png")
    for name in "ab":
        for i in range(4):
            draw(tmp_path / name / f"x{i}.png", ord(name) + 2 * i)
    found = examine(tmp_path)
    assert len(by_kind(found)["unread"].rows) == 6 and "conflict" in by_kind(found)


def test_doubles_across_splits_and_classes_and_patients_in_both(dataset):
    folder = dataset(splits=("train", "test"), count=6)
    one = next((folder / "train" / "left").iterdir())
    (folder / "test" / "left" / "again.png").write_bytes(one.read_bytes())
    (folder / "train" / "right" / "other.png").write_bytes(one.read_bytes())
    draw(folder / "train" / "left" / "patient3-a.png", 900)
    draw(folder / "test" / "left" / "patient3-b.png", 901)
    examined = examine(folder)
    found = by_kind(examined)
    assert examined.alarm and found["leak"].raised and found["conflict"].raised
    assert found["patients"].rows == [{"patient": "patient3", "in": "test, train", "images": 2}]
    assert found["leak"].rows[0]["same file"] and examined.report["judged on"] == "given split"


def test_unreadable_and_missing_images_are_named_and_the_rest_is_audited(dataset):
    folder = dataset()
    (folder / "left" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "left" / "link.png").symlink_to(folder / "nowhere.png")
    said = []
    found = examine(folder, say=said.append)
    assert "Left out, since they cannot be read: 2. The first: " in said[-1]
    told = " ".join(row["image"] for row in by_kind(found)["unread"].rows)
    assert "broken.png" in told and "link.png" in told and found.report["images"] == 28
    assert not found.alarm and examine(folder, fail_on=("unread",)).alarm
    for path in folder.rglob("*.png"):
        if not path.is_symlink():
            path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with user_error("None of 30 images can be read"):
        examine(folder)


def test_dicom_and_png_mixed(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(10):
        stored = (16 * GREY + rng.integers(0, 400, GREY.shape)).astype(np.uint16)
        (tmp_path / "a").mkdir(exist_ok=True)
        write_dicom(tmp_path / "a" / f"{i}.dcm", stored, Manufacturer="Maker", PatientID=str(i),
                    PatientName="Doe^J")  # fmt: skip
        draw(tmp_path / "b" / f"{i}.png", i)
    examined = examine(tmp_path)
    found = by_kind(examined)
    assert examined.alarm and found["tags"].raised and found["properties"].raised
    assert "manufacturer" in [row["seen"] for row in found["tags"].rows if row["alarm"]]
    assert found["names"].rows == [{"tag": "PatientName", "images": 10}]
    assert "Doe" not in str(examined.report)


def test_an_unknown_finding_is_refused(tmp_path):
    with user_error("no finding 'borders' to fail on. Did you mean border"):
        examine(tmp_path, fail_on=("borders",))


@pytest.mark.parametrize("fault", ["marker", "compression", "patients"])
def test_a_planted_fault_of_phantoms_is_named(tmp_path, fault):
    found = examine(calibration.write(tmp_path / "x", fault, 1.0, 20, 1))
    raised = {f.kind for f in found.findings if f.raised} & {*FAIL_ON}
    assert found.alarm and raised & {*calibration.EXPECTED[fault]}

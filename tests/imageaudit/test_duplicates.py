"""One radiograph is found again: as an equal file, and cropped, shrunk and compressed."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from deepcovid.data import phantom
from imageaudit import duplicates, inspection, matching, patients


@pytest.fixture(scope="module")
def inspected(tmp_path_factory):
    """Six phantoms, the first as an equal file too, the second degraded, and two empty pictures."""
    folder = tmp_path_factory.mktemp("pairs")
    for i in range(6):
        picture = Image.fromarray(phantom.radiograph("Edema", i, 256).image)
        picture.save(folder / f"{i}.png")
        if i == 1:
            matching.degrade(picture).save(folder / "7.png")
    (folder / "6.png").write_bytes((folder / "0.png").read_bytes())
    for name in "89":
        Image.fromarray(np.full((50, 50 + int(name)), 9, np.uint8)).save(folder / f"{name}.png")
    paths = sorted(folder.glob("*.png"))
    facts, pictures, _ = inspection.inspect(paths, None)
    return paths, facts, [matching.signature(picture) for picture in pictures]


def test_duplicates_are_found_and_nothing_else(inspected):
    _, facts, signatures = inspected
    found = duplicates.find_duplicates(facts, signatures)
    assert sorted(zip(found.a, found.b, found.exact, strict=True)) == [(0, 6, True), (1, 7, False)]


def test_the_search_is_tried(inspected):
    search = duplicates.check_search(*inspected)
    assert search["tried"] == 8 and search["found"] >= 7  # one that is degraded twice is hard


def test_patients_who_share_a_radiograph_are_one():
    found = pd.DataFrame([(0, 1, 1, True), (1, 3, 1, False)], columns=list(duplicates.COLUMNS))
    joined = patients.join_duplicates(pd.Series(["a", "b", "c", "d", "b"]), found)
    assert joined[0] == joined[1] == joined[3] == joined[4] != joined[2]

import pandas as pd
import pytest

from deepcovid.metrics.run import subgroups


def test_specificity_by_group_counts_test_images_and_patients():
    table = pd.DataFrame({
        "image": list("abcdef"), "split": ["test"] * 5 + ["validation"], "label": [0, 0, 0, 0, 1, 0],
        "patient": ["p", "p", "q", "r", "s", "t"], "score": [0.1, 0.6, 0.2, 0.9, 0.9, 0.9],
    })  # fmt: skip
    about = pd.DataFrame({
        "image": list("abcdef"), "view": ["AP", "AP", "PA", "PA", "AP", "AP"],
        "finding": ["Edema", "Edema; Fracture", "Fracture", "No Finding", "COVID-19", "Edema"],
    })  # fmt: skip
    points = pd.DataFrame({"model": "m", "seed": [0, 1], "chosen_on": "validation images",
                           "threshold": [0.5, 0.7]})  # fmt: skip
    # the second seed has its images in another order
    found = subgroups({("m", 0): table, ("m", 1): table[::-1]}, about, points).set_index("group")
    assert set(found.index) == {"Edema", "Fracture", "No Finding", "AP", "PA"}
    edema = found.loc["Edema"]
    assert (edema.images, edema.patients) == (2, 1)
    assert edema.specificity == pytest.approx(0.75)
    assert found.specificity["PA"] == pytest.approx(0.5) and found.patients["PA"] == 2
    assert found.specificity["No Finding"] == 0 and found.high["No Finding"] > 0.5  # Wilson

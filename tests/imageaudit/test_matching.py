"""One radiograph is recognised by its bytes, its picture or its name, and nothing else is."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from deepcovid.data import phantom
from imageaudit import matching
from imageaudit.matching import match, name_key, same_radiograph, signature


@pytest.fixture(scope="module")
def drawn():
    """Twelve phantoms of as many patients."""
    findings = ("COVID-19", "Edema", "No Finding")
    return [Image.fromarray(phantom.radiograph(findings[i % 3], i, 256).image) for i in range(12)]


@pytest.fixture(scope="module")
def known(drawn):
    return [signature(picture) for picture in drawn]


def crop(picture, left, top, right, bottom):
    width, height = picture.size
    return picture.crop((left * width, top * height, (1 - right) * width, (1 - bottom) * height))


def annotated(picture):
    picture = picture.copy()
    draw = ImageDraw.Draw(picture)
    draw.text((30, 30), "R", fill=255, font_size=32)
    draw.line((120, 150, 160, 110), fill=255, width=5)
    return picture


def compressed(picture):
    file = io.BytesIO()
    picture.resize((150, 170)).save(file, "JPEG", quality=40)
    return Image.open(file)


DOCTORED = {
    "crop": lambda p: crop(p, 0.15, 0.15, 0.15, 0.15),
    "unequal crop": lambda p: crop(p, 0.15, 0, 0.04, 0.12),
    "compressed": compressed,
    "annotated": annotated,
    "gamma": lambda p: p.point(lambda x: 255 * (x / 255) ** 1.4 * 0.9 + 12),
    "turned": lambda p: crop(p, 0.1, 0.05, 0, 0.1).transpose(Image.Transpose.ROTATE_90),
    "all": lambda p: compressed(annotated(crop(p, 0.15, 0.1, 0.1, 0.15).transpose(
        Image.Transpose.FLIP_LEFT_RIGHT))),
}  # fmt: skip


@pytest.mark.parametrize("kind", DOCTORED)
def test_a_doctored_radiograph_is_found_and_only_it(kind, drawn, known):
    found = same_radiograph([signature(DOCTORED[kind](picture)) for picture in drawn], known)
    assert (found["query"] == found["reference"]).all()
    # known limit: of one phantom the details agree by 0.67 only after an unequal crop
    assert len(found) >= len(drawn) - (kind == "unequal crop")
    assert found.agreement.between(matching.SAME, 1.001).all()


def test_it_does_not_matter_which_of_the_two_was_cropped(drawn, known):
    cropped = [signature(DOCTORED["turned"](picture)) for picture in drawn]
    assert same_radiograph(known, cropped)[["query", "reference"]].to_numpy().tolist() == [
        [i, i] for i in range(12)
    ]


def test_doubles_within_a_list_are_pairs_and_empty_pictures_are_none(drawn, known):
    empty = signature(np.full((40, 50), 7, np.uint8))
    listed = [empty, *known[:5], empty, signature(matching.degrade(drawn[2]))]
    assert same_radiograph(listed)[["query", "reference"]].to_numpy().tolist() == [[3, 7]]
    assert same_radiograph([]).empty and same_radiograph(known, []).empty


@pytest.mark.parametrize("turn", matching.TURNS)
def test_each_of_the_eight_positions_is_the_same_picture(turn, drawn, known):
    turned = drawn[0] if turn is None else drawn[0].transpose(turn)
    assert matching.compare(signature(turned), known[0]) > 0.99
    as_it_is = matching.compare(signature(turned), known[0], turns=1)
    assert (as_it_is > 0.99) == (turn is None)


@pytest.mark.parametrize("name", [
    "lancet-case2a.jpg", "LANCET-case2a.JPG", "a/b/0108-lancet-case2a.jpg.png", "lancet-case2a (1).png",
    "lancet-case2a_copy.jpeg", "COVID-19_lancet-case2a.webp-x.png".replace(".webp-x", ""),
    "covid_original_lancet-case2a.jpg_8c349e27-485d-4827-8f92-d0e34ce43183.jpg",
    "8c349e27485d48278f92d0e34ce43183_lancet-case2a.jpg", r"C:\images\lancet-case2a - Copy (2).jpg",
])  # fmt: skip
def test_a_renamed_file_keeps_its_key(name):
    assert name_key(name) == "lancet-case2a"


@pytest.mark.parametrize("name", [
    "1.png", "image12.jpg", "00000001_000.png", "No_findings-00001280_004.png.jpg", "COVID-19 (7).png",
    "COVID-12.png", "Viral Pneumonia-1234.png", "IM-0001-0001.jpeg", "person1_bacteria_1.jpeg",
    "20200401_001.png", "scan_0001.dcm", "chest_xray_12.png", "view1_frontal.jpg", "", "gr2_lrg-a.png.jpg",
])  # fmt: skip
def test_a_name_that_may_be_anybodys_has_no_key(name):
    assert name_key(name) == ""


@pytest.mark.parametrize(("one", "other"), [
    ("lancet-case2a.jpg", "lancet-case2b.jpg"), ("extubation-1.jpg", "extubation-4.jpg"),
    ("covid-19-pneumonia-2.jpg", "covid-19-pneumonia-20.jpg"),
    ("41591_2020_819_Fig1_HTML.webp-day5.png", "41591_2020_819_Fig1_HTML.webp-day10.png"),
])  # fmt: skip
def test_names_that_differ_by_a_letter_or_number_stay_apart(one, other):
    assert name_key(one) != name_key(other) and name_key(one) and name_key(other)


def test_chexpert_is_known_by_its_folders_and_by_the_releases_names():
    key = name_key("CheXpert-v1.0-small/train/patient00028/study2/view1_frontal.jpg")
    assert key == name_key("0001-Atelectasis-patient00028-study2-view1_frontal.jpg.jpg") != ""


def table(*rows):
    return pd.DataFrame(rows, columns=["image", "sha1", "patient"])


def test_the_strongest_reason_is_given_with_its_twin(drawn, known):
    seen = table(("s/0.png", "a", "p0"), ("s/1.png", "b", "p1"), ("s/lancet-case2a.jpg", "c", "p2"),
                 ("s/3.png", "d", ""), ("s/4.png", "", ""))  # fmt: skip
    judged = table(
        ("1.png", "b", "p0"),  # equal bytes, although patient and picture are of another
        ("0107-x.png", "e", "p1"),  # cropped, prefixed, of a patient who is there as well
        ("0108-Lancet-case2a.png", "f", ""),  # by name alone
        ("9.png", "g", "p2"),  # by patient alone
        ("3.png", "", ""),  # a name that says nothing, no bytes and no patient known
    ).set_index(pd.Index(list("vwxyz")))
    pictures = [known[0], signature(DOCTORED["all"](drawn[3])), *known[9:12]]
    found = match(judged, seen, pictures, known[:5])
    assert found.index.tolist() == list("vwxyz")
    assert found.reason.tolist() == ["bytes", "picture", "name", "patient", ""]
    assert found.twin.tolist() == [
        "s/1.png", "s/3.png", "s/lancet-case2a.jpg", "s/lancet-case2a.jpg", "",
    ]  # fmt: skip
    assert match(judged, seen).reason.tolist() == ["bytes", "patient", "name", "patient", ""]
    with pytest.raises(ValueError, match="both"):
        match(judged, seen, pictures)

"""Words that what is computed and what is shown share; no torch."""

from deepcovid.metrics.published import NETWORKS
from deepcovid.shortcuts.columns import WORDS

RELEASE, SAME = "the release's", "of the same collection"  # whose Non-COVID images
KINDS = {
    RELEASE: "the release's Non-COVID images",
    SAME: "Non-COVID images of the same collection",
}
# what is looked at, by its name among `shortcuts.ablations`; the last three cannot show the lungs
SEEN = (
    "whole picture",
    "only wherever lungs may be",
    "8 x 8 pixels",
    "histogram of 32 grey levels",
    "outer 12.5% of each side",
    "outer 5% of each side",
    "without wherever lungs may be",
)
BLIND = ("file properties", "view, age, sex", *SEEN[-3:])
EVERYTHING = "the whole collection"
# steps of preprocessing, as a table names them
PREPROCESSING = {
    "none": "none",
    "downsample": "downsampled",
    "equalise": "equalised",
    "crop_lungs": "cropped to the lungs",
    "mask_lungs": "lungs only",
    "grey": "without colour",
}


def readable(text: str) -> str:
    """A name with the networks as papers write them, and inputs as notebook 07 names them."""
    text = WORDS.get(text, text)
    for code, name in NETWORKS.items():
        text = text.replace(code, name)
    return text.replace("+", " + ")

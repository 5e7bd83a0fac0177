"""Words that what is computed and what is shown share; no torch."""

RELEASE, SAME = "the release's", "of the same collection"  # whose Non-COVID images
# what is looked at, by its name among `shortcuts.looks`; the last three cannot show the lungs
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

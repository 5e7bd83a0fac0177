"""Words of tables that what is computed and what is shown share; no torch."""

RELEASE, SAME = "the release's", "of the same collection"  # whose Non-COVID images
# what is left of images, as `shortcuts.ablations` names it; and what can hardly show the lungs
INPUTS = ("whole picture", "only wherever lungs may be", "8 x 8 pixels", "histogram of 32 grey levels",
          "outer 12.5% of each side", "outer 5% of each side", "without wherever lungs may be")  # fmt: skip
BLIND = ("file properties", "view, age, sex", "outer 12.5% of each side", "outer 5% of each side",
         "without wherever lungs may be")  # fmt: skip
EVERYTHING = "the whole collection"

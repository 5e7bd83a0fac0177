"""The columns of the tables that this wing writes, for those who write them and those who read."""

SHORTCUTS = (
    "kind", "seen", "told", "model", "seen_share", "auc", "auc_low", "auc_high",
    "patient_low", "patient_high", "positives", "negatives",
)  # fmt: skip
MITIGATION = (
    "step", "preprocessing", "copies", "matched",
    "cv", "cv_border", "border_lung", "cv_frame", "gap", "gap_low", "gap_high", "wins", "chosen",
    "test", "test_low", "test_high", "test_border", "test_frame",
    "external", "external_low", "external_high", "external_border", "external_frame",
    "with_duplicates", "source", "positives", "negatives",
)  # fmt: skip
EXTERNAL = ("image", "label", "patient", "source", "view", "sha1", "score", "duplicate", "twin")
TIDY = ("model", "seed", "set", "quantity", "value", "low", "high", "images", "patients", "method")
# inputs of `shortcuts.csv` in a reader's words
WORDS = {
    "without lungs": "lungs black",
    "without wherever lungs may be": "black where lungs may be",
    "only wherever lungs may be": "only where lungs may be",
    "file properties": "size and colour mode of the file",
}

"""From what was found to what is said: findings, what to do about each, and the verdict."""

from dataclasses import dataclass, field

KINDS = {
    "external": "Images or patients of the other dataset",
    "leak": "One radiograph in several splits",
    "conflict": "One radiograph in several classes",
    "patients": "Patients in several splits",
    "properties": "Properties of the files tell the classes",
    "tags": "DICOM tags tell the classes",
    "columns": "Columns of the table tell the classes",
    "border": "The border of the picture tells the classes",
    "visible": "Columns that can be read from the picture",
    "shift": "What goes with the class in train otherwise than in test",
    "little": "Little of the picture is enough",
    "doubles": "One radiograph several times",
    "names": "Tags that name people",
    "unread": "Images that cannot be read",
}
FAIL_ON = ("external", "leak", "conflict", "patients", "properties", "tags", "columns", "border")
ADVICE = {
    "external": "Leave these images out before a score on this set is called an external validation.",
    "leak": "Remove all but one of each, or move them into one split. A model is tested on what it "
    "was trained on, and its score says little of other images.",
    "conflict": "Look at each pair and decide: one of the two labels is wrong, or the classes do not "
    "exclude each other.",
    "patients": "Split again, over patients. Images of one patient resemble each other: their scores "
    "in the test set are too good, and its intervals too narrow.",
    "properties": "Ask where the files come from. Properties differ when classes were collected in "
    "different places or saved by different programs, and the pictures then differ, too. Saving all "
    "files alike removes the property, not what the places left in the pictures: take both classes "
    "from the same source.",
    "tags": "Take both classes from the same devices, sites and years, or compare within one; report "
    "results by device and site.",
    "columns": "Match the classes in this column or report results within its values. A column that is "
    "another name of the label does not count: --ignore NAME.",
    "border": "Look at the pictures above: letters, frames, collimation, tables and tubes at the edge "
    "tell the source. Crop to what matters, take both classes from one source, and show the score on "
    "images of another hospital.",
    "visible": "What goes with the class and can be read from the picture is what a network may learn in "
    "place of the disease. Match the classes in it, or report results within its values.",
    "shift": "A model that learns this in training meets another relation in the test: its score there "
    "says less of other hospitals. Split again, or report results within the values.",
    "little": "This may be the disease or its severity, or the source. The border says which is "
    "likelier: where it tells nothing, the pictures alone do not prove a shortcut. A model that beats "
    "these numbers only little has learned little more.",
    "doubles": "Keep one of each. They count several times in training and make intervals too narrow.",
    "names": "Remove these tags before the files go anywhere, and look at images whose annotation is "
    "burned in. Values are not shown here.",
    "unread": "Mend or remove these files: programs skip them in different ways, and the classes may "
    "lose different images.",
}


@dataclass
class Finding:
    """What was found of one kind. `rows` are its tables' rows; `raised` says whether it counts."""

    kind: str
    raised: bool
    words: str  # a sentence, with its numbers
    rows: list[dict] = field(default_factory=list)
    more: dict = field(default_factory=dict)

    @property
    def title(self) -> str:
        return KINDS[self.kind]

    @property
    def advice(self) -> str:
        return ADVICE[self.kind]


def verdict(findings: list[Finding], fail_on: tuple[str, ...], chance: dict) -> tuple[bool, str]:
    """Is it an alarm, and what is to be said in a few sentences."""
    raised = [f for f in findings if f.raised and f.kind in fail_on]
    alarms = [row for f in raised for row in f.rows if row.get("alarm")]
    if alarms:
        best = max(alarms, key=lambda row: row["auc"])
        said = (
            f"This dataset gives its classes away: {best['seen']} alone tells {best['class']} from "
            f"the rest with ROC AUC {auc_with_ci(best)}, and no disease can be seen in it. A network can "
            "learn this in place of the disease."
        )
        others = [f.title.lower() for f in raised if best not in f.rows]
        return True, said + (f" Besides: {'; '.join(others)}." if others else "")
    if raised:
        words = " ".join(f.words for f in raised)
        return True, f"This dataset does not test what it seems to: {words}"
    least = chance["smallest_auc"]
    said = (
        "No alarm: nothing that was looked at tells the classes where the disease cannot be seen."
    )
    if least is None or least > 1:
        few = (
            "the dataset is so small that no shortcut, however plain, would stand out from chance."
        )
        return False, f"{said} But {few}"
    return False, said + (
        f" What was looked at would have raised it from a ROC AUC of {least:.2f} on: a mark that "
        f"{2 * (least - 0.5):.0%} of one class bear, and no other image. What was not looked at is "
        "not judged."
    )


def auc_with_ci(row: dict) -> str:
    """`0.912 (0.871 to 0.953)`."""
    if row["low"] is None:
        return f"{row['auc']:.3f}"
    return f"{row['auc']:.3f} ({row['low']:.3f} to {row['high']:.3f})"

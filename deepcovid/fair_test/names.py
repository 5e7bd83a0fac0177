"""Words that what is computed and what is shown share; no torch."""

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
NETWORKS = {
    "resnet18": "ResNet18",
    "resnet50": "ResNet50",
    "squeezenet": "SqueezeNet",
    "densenet121": "DenseNet121",
}


def readable(text: str) -> str:
    """A text with the networks' names as papers write them: `border only: ResNet18`."""
    for code, name in NETWORKS.items():
        text = text.replace(code, name)
    return text.replace("+", " + ")

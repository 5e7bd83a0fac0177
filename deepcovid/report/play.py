"""To play with: a figure that follows its controls in JupyterLab, and stands still everywhere else."""

import base64
from pathlib import Path

import ipywidgets

from deepcovid.io import read_table
from deepcovid.metrics import figures
from deepcovid.metrics.evaluation import scores_of
from deepcovid.plots import png


class Played(ipywidgets.VBox):
    """Controls, then a figure's words and its picture: the last two are shown where no control can be."""

    def _repr_mimebundle_(self, **options):
        *_, words, picture = self.children
        still = base64.b64encode(picture.value).decode()
        shown = super()._repr_mimebundle_(**options)
        shown |= {"image/png": still, "text/plain": words.value}
        return shown, {"image/png": {"width": int(picture.width), "height": int(picture.height)}}


def thresholds(*folders: Path) -> Played:
    """A threshold to move, for any model in the folders of runs.

    It begins where the model's own threshold was frozen. A folder without scores adds nothing.
    """
    models = {}
    for folder in folders:
        if (path := folder / "metrics.csv").is_file():
            scores = scores_of(folder)
            for (name, seed), row in read_table(path, index_col=["model", "seed"]).iterrows():
                test = scores[name, seed].query("split == 'test'")
                models[f"{folder.name}: {name}, seed {seed}"] = test, row.threshold
    wide = {"layout": {"width": "40rem", "max_width": "100%"},
            "style": {"description_width": "6rem"}}  # fmt: skip
    model = ipywidgets.Dropdown(options=[*models], description="model", **wide)
    threshold = ipywidgets.FloatSlider(min=0, max=1, step=0.001, readout_format=".3f",
                                       continuous_update=False, description="threshold", **wide)  # fmt: skip
    words, picture = ipywidgets.HTML(), ipywidgets.Image(format="png")

    def draw(change=None) -> None:
        table, frozen = models[model.value]
        if change is None or change.owner is model:
            threshold.value = frozen
        figure = figures.at_threshold(table, threshold.value, frozen, model.value)
        picture.value, size = png(figure)
        picture.width, picture.height = str(size["width"]), str(size["height"])
        words.value = figure.get_suptitle()

    draw()
    for control in (model, threshold):
        control.observe(draw, "value")
    return Played([model, threshold, words, picture])

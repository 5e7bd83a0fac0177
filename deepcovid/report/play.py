"""To play with: a figure that follows its controls in JupyterLab, and stands still everywhere else."""

import base64
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from deepcovid.metrics import figures
from deepcovid.metrics.evaluation import scores_of, summaries
from deepcovid.plots import name_of, png


class Played:
    """A figure below its controls: `draw` makes it, of their values by name.

    What the figure's title says is also given as text. In a notebook that is only read, the picture
    is what was drawn last.
    """

    def __init__(self, draw: Callable[..., Figure], **controls):
        import ipywidgets  # nobody but who plays needs it

        self.draw, self.controls = draw, controls
        self.words, self.picture = ipywidgets.HTML(), ipywidgets.Image(format="png")
        self.box = ipywidgets.VBox([*controls.values(), self.words, self.picture])
        for control in controls.values():
            control.observe(self.redraw, "value")
        self.redraw()

    def redraw(self, change=None) -> None:
        figure = self.draw(**{name: control.value for name, control in self.controls.items()})
        self.picture.value, self.size = png(figure)
        self.picture.width = self.size["width"]
        self.words.value = figure.get_suptitle()

    def _repr_mimebundle_(self, **options):
        """The controls for JupyterLab, the picture and its words for all that cannot show them."""
        still = base64.b64encode(self.picture.value).decode()
        shown = self.box._repr_mimebundle_()
        shown |= {"image/png": still, "text/plain": self.words.value}
        return shown, {"image/png": self.size}


def thresholds(*folders: Path) -> Played:
    """A threshold to move, for any model in the folders of runs.

    It begins where the model's own threshold was frozen. A folder without scores adds nothing.
    """
    import ipywidgets

    models = {}
    for folder in folders:
        scores = scores_of(folder)
        for (key, table), row in zip(scores.items(), summaries(folder, scores), strict=True):
            test = table[table.split == "test"]
            models[f"{folder.name}: {name_of(*key, scores)}"] = test, row["threshold"]
    wide = {
        "layout": {"width": "40rem", "max_width": "100%"},
        "style": {"description_width": "6rem"},
    }
    model = ipywidgets.Dropdown(options=[*models], description="model", **wide)
    threshold = ipywidgets.FloatSlider(
        models[model.value][1], min=0, max=1, step=0.001, readout_format=".3f", continuous_update=False,
        description="threshold", **wide,
    )  # fmt: skip

    def begin(change) -> None:
        threshold.value = models[change.new][1]

    def draw(model: str, threshold: float) -> Figure:
        table, frozen = models[model]
        return figures.at_threshold(table, threshold, frozen, model)

    model.observe(begin, "value")
    return Played(draw, model=model, threshold=threshold)

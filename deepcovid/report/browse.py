"""To play with: the heatmaps of a run, image by image and model by model."""

from functools import cache

from matplotlib.figure import Figure

from deepcovid.heatmaps import figures, masks, study
from deepcovid.heatmaps.cached_maps import cached_maps, windows
from deepcovid.heatmaps.maps import pictures_of
from deepcovid.models.run import Run
from deepcovid.report.play import Played


def heatmaps(run: Run) -> Played:
    """Choose a COVID-19 test image and a model: its score, its maps, and what was marked on it.

    The images are those that notebook 05 made maps of; a model whose maps are not kept makes them
    when it is chosen. Of several seeds the first is taken.
    """
    import ipywidgets  # nobody but who plays needs it

    table, seed = masks.chosen(run), run.profile.seeds[0]
    inputs, _, outlined = study.examples(run, len(table))
    pictures, sides = pictures_of(inputs), windows(run.profile.image_size)[:1]

    @cache
    def made(name: str) -> tuple[dict, dict]:
        scores = run.scores(name, seed).set_index("image").score
        return cached_maps(run, name, run.model(name, seed), table, sides), scores

    def draw(model: str, image: int) -> Figure:
        found, scores = made(model)
        name = table.image[image]
        title = f"{name}, {model}: P(COVID-19) = {scores[name]:.3f}"
        one = slice(image, image + 1)
        heats = {method: heat[one] for method, heat in found.items()}
        drawn = figures.overlays(pictures[one], heats, [""], outlined[one])
        drawn.suptitle(title)
        return drawn

    wide = {
        "layout": {"width": "40rem", "max_width": "100%"},
        "style": {"description_width": "6rem"},
    }
    model = ipywidgets.Dropdown(options=run.profile.models, description="model", **wide)
    image = ipywidgets.IntSlider(
        0, 0, len(table) - 1, description="image", continuous_update=False, **wide
    )
    return Played(draw, model=model, image=image)

"""The pictures on the page of an audit, each a file that lies in the page itself."""

import base64
import io
import itertools

import numpy as np
from PIL import Image

from imageaudit import ablations, images
from imageaudit.errors import UserError
from imageaudit.examine import Examined

SIZE = 200  # pixels of the longer side
MOST = 6  # classes whose mean picture is shown


def in_page(picture: Image.Image) -> str:
    """A grey picture as the address of an image that lies in the page."""
    file = io.BytesIO()
    picture.convert("L").save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def of_row(row, small: np.ndarray | None = None) -> dict:
    """One image with its name, class and split; `small` is shown where the file is gone."""
    try:
        picture = images.open_radiograph(row.path)
    except UserError:  # gone since it was read
        picture = Image.fromarray(np.zeros((2, 2), np.uint8) if small is None else small)
    picture.thumbnail((SIZE, SIZE))
    return {"source": in_page(picture), "name": row.image, "class": row.label, "split": row.split}


def pairs(found: Examined, rows: list[dict], external: bool) -> list[dict]:
    """Pairs of images that are one radiograph; `external`: the second is of the other dataset."""
    own = by_name(found.table, found.pictures)
    others = by_name(found.other, []) if external else own
    return [{"a": of_row(*own[row["a"]]), "b": of_row(*others[row["b"]])} for row in rows]


def by_name(table, pictures) -> dict[str, tuple]:
    """The row of each image, and its small picture where there are such."""
    rows = itertools.zip_longest(table.itertuples(), pictures)
    return {row.image: (row, small) for row, small in rows}


def means(found: Examined) -> list[dict]:
    """The mean picture of each class, and for two classes what the one has more than the other."""
    names = list(found.report["classes"])[:MOST]
    mean = {name: found.pictures[(found.table.label == name).to_numpy()].mean(0) for name in names}
    result = [{"source": enlarged(mean[name]), "name": f"mean of {name}"} for name in names]
    if len(found.report["classes"]) == 2:
        difference = mean[names[1]] - mean[names[0]]
        scale = 127 / max(np.abs(difference).max(), 1)
        words = f"{names[1]} less {names[0]}: grey is equal, white is brighter by {127 / scale:.0f} of 255"
        result.append({"source": enlarged(127.5 + scale * difference), "name": words})
    return result


def enlarged(values: np.ndarray) -> str:
    picture = Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    return in_page(picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def ablated(found: Examined) -> list[dict]:
    """One image as the probes see it."""
    rarest = list(found.report["classes"])[-1]
    at = np.flatnonzero((found.table.label == rarest).to_numpy())[:1]
    return [{"source": enlarged(ablate(ablations.resize(found.pictures[at]))[0]), "name": seen}
            for seen, (_, ablate) in ablations.ENCODED.items()]  # fmt: skip


def surest(found: Examined, number: int) -> list[dict]:
    """The images of each class that the border alone gives away most surely."""
    border = [(p, fit) for p, fit, _ in found.fitted if p.seen == ablations.BORDER]
    if not border:
        return []
    probe, fit = border[0]
    label = found.table.label.to_numpy()[probe.at]
    classes = list(found.report["classes"])
    score = fit.score
    if len(classes) == 2:
        score = np.concatenate([-score, score], axis=1)
    else:
        classes = [name for name in classes if name not in found.report["not judged"]]
    result = []
    for name, column in list(zip(classes, score.T, strict=True))[:MOST]:
        own = np.flatnonzero((label == name) & np.isfinite(column))
        best = own[np.argsort(-column[own], kind="stable")][:number]
        pictures = [of_row(found.table.iloc[i], found.pictures[i]) for i in probe.at[best]]
        result.append({"class": name, "pictures": pictures})
    return result

"""The page of an audit: one HTML file that reads offline and shows images of the dataset."""

import base64
import io

import numpy as np
import pandas as pd
from PIL import Image

from imageaudit import ablations, images, probes
from imageaudit.examine import Examined
from imageaudit.findings import template

SIZE = 200  # pixels of a picture's longer side
MOST = 6  # classes whose mean picture is shown
SHOWN, PAIRS, SUREST, VALUES, LINES = 3, 6, 4, 8, 12  # at most, on the page; the JSON has all


def page(found: Examined) -> str:
    """The page as one HTML file without links: pictures lie in it."""
    by_kind = {f["kind"]: f for f in found.report["findings"]}
    return template("page.html", autoescape=True).render(
        strip=strip, report=found.report, findings=by_kind, lines=LINES, most=VALUES,
        values={kind: values(found, kind) for kind in probes.BLIND},
        pairs={kind: pairs(found, by_kind[kind]["rows"][:PAIRS], kind == "external")
               for kind in ("external", "leak", "conflict", "doubles") if kind in by_kind},
        means=means(found), ablated=ablated(found),
        surest=surest(found, SUREST),
    )  # fmt: skip


def strip(row: dict) -> dict:
    """Where an AUC, its interval and the least that is an alarm lie on a strip from 0 to 1 of 100."""
    return {k: 100 * min(max(row[k] if row[k] is not None else row["auc"], 0), 1)
            for k in ("auc", "low", "high", "smallest_auc")}  # fmt: skip


def values(found: Examined, kind: str) -> list[dict]:
    """How the values of the columns that tell most are spread over the classes: images and shares."""
    best = sorted(found.fitted, key=lambda fit: -fit[2].auc)
    alarms = [p for p, _, a in best if p.kind == kind and a.alarm and p.words is not None]
    result = []
    for probe in alarms[:SHOWN]:
        count = pd.crosstab(probe.words, found.table.label)[found.table.label.value_counts().index]
        count = count.loc[count.sum(axis=1).sort_values(ascending=False).index]
        result.append({"seen": probe.seen, "count": count, "share": count / count.sum()})
    return result


def in_page(picture: Image.Image) -> str:
    """A grey picture as the address of an image that lies in the page."""
    file = io.BytesIO()
    picture.convert("L").save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def of_row(row) -> dict:
    """One image with its name, class and split."""
    picture = images.open_radiograph(row.path)
    picture.thumbnail((SIZE, SIZE))
    return {"source": in_page(picture), "name": row.image, "class": row.label, "split": row.split}


def pairs(found: Examined, rows: list[dict], external: bool) -> list[dict]:
    """Pairs of images that are one radiograph; `external`: the second is of the other dataset."""
    own = {row.image: row for row in found.table.itertuples()}
    others = {row.image: row for row in found.other.itertuples()} if external else own
    return [{"a": of_row(own[row["a"]]), "b": of_row(others[row["b"]])} for row in rows]


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
        pictures = [of_row(found.table.iloc[i]) for i in probe.at[best]]
        result.append({"class": name, "pictures": pictures})
    return result

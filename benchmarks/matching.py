"""How well `imageaudit.matching` recognises a radiograph, on real ones.

    python -m benchmarks.matching DATA [doctored] [false] [twins]

DATA holds covid-xray-5k, covid-chestxray-others, external and external-nih. `doctored`: SAMPLE
COVID-19 and SAMPLE CheXpert radiographs, doctored in ten ways, are looked for among themselves and
OTHERS more. `false`: all pairs of the 5,000 CheXpert images. `twins`: between the datasets. Writes
results/matching.csv, whose rows of another `rule` are kept, and results/darkcovidnet_twins.csv.
The threshold SAME was chosen on 80 radiographs of another seed and on the CheXpert pairs.
"""

import argparse
import hashlib
import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from imageaudit import matching

RESULTS = Path(__file__).parents[1] / "results"
SAMPLE, OTHERS, SEED = 100, 1000, 27
RULE = "imageaudit.matching"
COLUMNS = ["rule", "question", "doctoring", "source", "images", "found", "pairs_compared"]


def crop(picture, rng, edges=None):
    left, top, right, bottom = rng.uniform(0, 0.15, 4) if edges is None else edges
    width, height = picture.size
    return picture.crop((round(left * width), round(top * height),
                         round((1 - right) * width), round((1 - bottom) * height)))  # fmt: skip


def crop_15(picture, rng):
    return crop(picture, rng, (0.15,) * 4)


def compress(picture, rng):
    share, file = rng.uniform(0.5, 1), io.BytesIO()
    size = [round(share * side) for side in picture.size]
    picture.resize(size).save(file, "JPEG", quality=int(rng.integers(25, 60)))
    return Image.open(file).convert("L")


def mirror(picture, rng):
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def turn(picture, rng):
    return picture.transpose(Image.Transpose(int(rng.integers(0, 7))))


def annotate(picture, rng):
    picture, (width, height) = picture.copy(), picture.size
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(max(10, 0.12 * min(width, height)))
    at = rng.uniform(0.05, 0.8, 2) * picture.size
    draw.text(tuple(at), str(rng.choice(list("LRAP"))), fill=255, font=font)
    start, angle = rng.uniform(0.2, 0.8, 2) * picture.size, rng.uniform(0, 2 * np.pi)
    end = start + 0.15 * min(width, height) * np.array([np.cos(angle), np.sin(angle)])
    draw.line((*start, *end), fill=255, width=max(2, round(0.015 * width)))
    return picture


def tone(picture, rng):
    grey = (np.asarray(picture) / 255) ** rng.uniform(0.7, 1.4)
    grey = (grey - 0.5) * rng.uniform(0.75, 1.3) + 0.5 + rng.uniform(-0.1, 0.1)
    return Image.fromarray((255 * grey.clip(0, 1)).astype(np.uint8))


DOCTORINGS = {
    "crop 15% of each side": [crop_15], "crop 0 to 15%, unequal": [crop], "resize and compress": [compress],
    "mirror": [mirror], "mirror or quarter turns": [turn], "letter and line": [annotate],
    "brightness, contrast, gamma": [tone], "crop 15%, compress, letter": [crop_15, annotate, compress],
    "unequal crop, mirror": [crop, mirror], "all but mirror alone": [crop, turn, annotate, tone, compress],
}  # fmt: skip


def images(data: Path, *folders: str) -> list[Path]:
    """Original images of some folders of DATA."""
    paths = [path for folder in folders for path in sorted((data / folder).iterdir())]
    return [path for path in paths if not path.name.startswith("covid_original_")]


COVID = ("covid-xray-5k/train/covid", "covid-xray-5k/test/covid", "covid-chestxray-others/covid")
CHEXPERT = ("covid-xray-5k/train/non", "covid-xray-5k/test/non")


def grey(path: Path) -> Image.Image:
    return Image.open(path).convert("L")


def signatures(paths: list[Path]) -> list[matching.Signature]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda path: matching.signature(grey(path)), paths))


def sampled(data: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Paths to doctor by source, and of other images to mistake them for."""
    rng = np.random.default_rng(SEED)
    sources = {"COVID-19": images(data, *COVID), "CheXpert": images(data, *CHEXPERT)}
    chosen = {name: rng.permutation(paths) for name, paths in sources.items()}
    rest = np.concatenate([paths[SAMPLE:] for paths in chosen.values()])
    return {name: paths[:SAMPLE] for name, paths in chosen.items()}, rng.permutation(rest)[:OTHERS]


def doctor(path: Path, kind: str) -> Image.Image:
    rng = np.random.default_rng([SEED, *hashlib.sha1(f"{kind} {path.name}".encode()).digest()])
    picture = grey(path)
    for step in DOCTORINGS[kind]:
        picture = step(picture, rng)
    return picture


def doctored(data: Path) -> list[dict]:
    chosen, others = sampled(data)
    every = [*np.concatenate(list(chosen.values())), *others]
    reference, rows = signatures(every), []
    for kind in DOCTORINGS:
        for number, (source, paths) in enumerate(chosen.items()):
            query = [matching.signature(doctor(path, kind)) for path in paths]
            pairs = matching.same_radiograph(query, reference)
            own = pairs["query"] + number * SAMPLE == pairs["reference"]
            rows.append({"question": "found", "doctoring": kind, "source": source, "images": SAMPLE,
                         "found": int(own.sum()), "pairs_compared": len(query) * len(reference)})  # fmt: skip
            print(rows[-1], flush=True)
    return rows


def false_pairs(data: Path) -> list[dict]:
    paths = images(data, *CHEXPERT)
    pairs = matching.same_radiograph(signatures(paths), least=0.4)
    patient = np.array([re.search(r"patient\d+", path.name)[0] for path in paths])
    same = patient[pairs["query"]] == patient[pairs["reference"]]
    return false_rows(pairs, same, pd.Series(patient))


def false_rows(pairs: pd.DataFrame, same: np.ndarray, patient: pd.Series) -> list[dict]:
    sizes = patient.value_counts()
    possible = {True: int((sizes * (sizes - 1) // 2).sum())}
    possible[False] = len(patient) * (len(patient) - 1) // 2 - possible[True]
    return [{"question": f"pairs of {'the same patient' if kind else 'different patients'}",
             "doctoring": "none", "source": "CheXpert", "images": len(patient),
             "found": int((pairs.agreement[same == kind] >= matching.SAME).sum()),
             "pairs_compared": possible[kind],
             "highest_agreement": round(pairs.agreement[same == kind].max(), 3)}
            for kind in (False, True)]  # fmt: skip


def listed(data: Path, *folders: str) -> tuple[pd.DataFrame, list[matching.Signature]]:
    paths = images(data, *folders)
    image = [path.relative_to(data).as_posix() for path in paths]
    sha1 = [hashlib.sha1(path.read_bytes()).hexdigest() for path in paths]
    return pd.DataFrame({"image": image, "sha1": sha1, "patient": ""}), signatures(paths)


def twins(data: Path) -> list[dict]:
    covid, ours = listed(data, *COVID, "covid-chestxray-others/non")
    train, test = (covid.image.str.contains(f"5k/{part}/") for part in ("train", "test"))
    dark, dark_signatures = listed(data, "external-nih/covid")
    external, external_signatures = listed(data, "external/covid", "external/non")
    chexpert, more = listed(data, *CHEXPERT)
    everything = pd.concat([covid, chexpert], ignore_index=True)
    questions = {
        "external-nih/covid in covid-xray-5k and covid-chestxray-others": (dark, covid, dark_signatures, ours),
        "test in train, COVID-19 of covid-xray-5k": (
            covid[test], covid[train], [s for s, use in zip(ours, test, strict=True) if use],
            [s for s, use in zip(ours, train, strict=True) if use]),
        "external in covid-xray-5k and covid-chestxray-others": (
            external, everything, external_signatures, ours + more),
        "external/covid in external-nih/covid": (
            external[:120], dark, external_signatures[:120], dark_signatures),
    }  # fmt: skip
    rows = []
    for question, tables in questions.items():
        found = matching.match(*tables)
        print(
            question,
            found.reason.value_counts().to_dict(),
            found[found.reason != ""].head(8),
            flush=True,
        )
        size = {"images": len(found), "pairs_compared": len(found) * len(tables[1])}
        found = {"any": found.reason != ""} | alone(*tables)
        rows += [{"question": f"twins: {question}", "doctoring": "none", "source": reason,
                  "found": int(hit.sum()), **size} for reason, hit in found.items()]  # fmt: skip
        if tables[0] is dark:
            counts = pd.DataFrame([{"reason": k, "images": len(dark), "twins": int(v.sum())}
                                   for k, v in found.items()])  # fmt: skip
            counts.to_csv(RESULTS / "darkcovidnet_twins.csv", index=False)
    return rows


def alone(judged, seen, judged_signatures, seen_signatures) -> dict[str, pd.Series]:
    """Which images each rule finds when it is the only one."""
    key = seen.image.map(matching.name_key)
    pairs = matching.same_radiograph(judged_signatures, seen_signatures)
    return {
        "bytes": judged.sha1.isin(seen.sha1),
        "picture": pd.Series(range(len(judged))).isin(pairs["query"]),
        "name": judged.image.map(matching.name_key).isin(set(key) - {""}),
    }


def write(rows: list[dict], rule: str = RULE) -> None:
    file, new = RESULTS / "matching.csv", pd.DataFrame(rows).assign(rule=rule)
    old = pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=COLUMNS)
    made = set(zip(new.rule, new.question, new.doctoring, new.source, strict=True))
    keep = [
        key not in made
        for key in zip(old.rule, old.question, old.doctoring, old.source, strict=True)
    ]
    table = pd.concat([old[keep], new] if len(old) else [new], ignore_index=True)
    rest = [column for column in table if column not in COLUMNS]
    table[COLUMNS + rest].to_csv(file, index=False)


def main() -> None:
    steps = {"doctored": doctored, "false": false_pairs, "twins": twins}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder with all datasets")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(steps)} (all)")
    args = parser.parse_args()
    for part in args.parts or steps:
        write(steps[part](args.data))


if __name__ == "__main__":
    main()

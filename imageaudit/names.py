"""What a file's name says of where its image comes from."""

import re

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
HASH = re.compile(UUID + r"|(?=[a-f]*[0-9])[0-9a-f]{12,}")
ENDING = re.compile(r"(\.(jpe?g|png|tiff?|bmp|gif|webp|dcm|dicom|nii|gz))+$")
COPY = re.compile(rf"_{UUID}$|[ _-]*\(\d+\)$|[ _-]+(copy|kopie|copia)([ _-]*\d+)?$")
PREFIX = re.compile(
    rf"(covid_original|\d{{3,6}}|{HASH.pattern}|(non[-_ ]?)?covid([-_ ]?19)?|ncov|non|normal"
    r"|no[-_ ]findings?|((viral|bacterial)[-_ ])?pneumonia|positive|negative|train|val|test)[-_ ]+"
)
CHEXPERT = re.compile(r"patient\d{5}[-_/]study\d+[-_/]view\d+_(frontal|lateral)")
# what publishers number their cases and figures by: Radiopaedia, Springer
NUMBERED = re.compile(r"\bcovid-19-pneumonia-\d+|\b\d+_20\d\d_\d+_fig\d+_html")
EMPTY = (
    "annot case chest copy cr crop cxr dcm dicom dsc dx file fig figure fx gr html im image images img"
    " jumbo lrg original page patient pdf person photo picture radiograph ray sample scan"
    " screenshot series slice study thorax untitled view webp xray"
)
FIELD = (
    "ap bacteria bacterial covid day finding findings frontal infection lateral left lobe lower lung"
    " negative no non normal opacity pa pneumonia positive right sars supine test train upper val"
    " viral virus"
)
ENOUGH = 7.0  # points that a name needs, as `informative` counts them


def name_key(name: str) -> str:
    """What a file name says of where its image comes from; `` where that is too little.

    Without folders, endings (also several), case, numbers, classes and hashes before it, and what
    copies have behind it, as long as what is left is `informative`: `image12`,
    `COVID-19 (7)` or `00000001_000` may be anybody's.
    """
    path = name.replace("\\", "/").lower().strip()
    if found := CHEXPERT.search(path):  # CheXpert's own files are called view1_frontal
        return re.sub("[_/]", "-", found[0])
    key, before = path.split("/")[-1], ""
    while key != before:
        before, key = key, ENDING.sub("", key)
        for shorter in (
            COPY.sub("", key),
            key[found.end() :] if (found := PREFIX.match(key)) else key,
        ):
            if shorter != key and informative(shorter):
                key = shorter
                break
    return key if informative(key) else ""


def informative(key: str) -> bool:
    """Does a name say enough? 12 points for a hash or a publisher's number; 2 for each letter of a word,
    but none for a word that any file may have (EMPTY), 2 in all for one of the field (FIELD); a
    quarter for each digit."""
    known = len(HASH.findall(key)) + bool(NUMBERED.search(key))
    rest = HASH.sub(" ", key)
    words = set(re.findall(r"[^\W\d_]{2,}", rest)) - set(EMPTY.split())
    letters = sum(2 * (1 if word in FIELD.split() else len(word)) for word in words)
    digits = sum(len(number.lstrip("0")) for number in re.findall(r"\d+", rest))
    return 12 * known + letters + 0.25 * digits >= ENOUGH

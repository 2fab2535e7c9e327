"""Free text to a material class, by a vocabulary, with a confidence.

English and German words of scene files and catalogues. A word is looked up as it is, then as a part
of a compound ("Stahlbetonwand"), and by similarity only if neither is found.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Collection
from typing import NamedTuple

from vlmrt_dist.errors import MaterialError
from vlmrt_dist.scene import MATERIALS, material_class

NAMED = 0.9
"""Confidence if the text holds the class's own name."""
SYNONYM = 0.75
"""... a word for the class, or for a kind of it."""
LIKELY = 0.5
"""... a word for a material that is only similar to a class of the table."""
FUZZY = 0.3
"""... a word spelled like one of these; upper bound for guesses."""
COMPOUND, STAND_IN, AMBIGUOUS = 0.85, 0.8, 0.5
"""Factors: the word is part of a longer one; the class is not valid at the carrier and a substitute
is used; the text names several classes."""

SIMILAR = 0.8
"""Least similarity (optimal string alignment) of two words, 0 to 1."""
SHORTEST = 5
"""Least letters of a word that is sought in compounds or by similarity."""


class Reading(NamedTuple):
    """:param material: class of ITU-R P.2040
    :param confidence: in (0, 1]
    :param because: the reason, for people
    """

    material: str
    confidence: float
    because: str


_SYNONYMS: dict[str, tuple[str, ...]] = {
    "concrete": ("cement", "screed", "beton", "stahlbeton", "estrich", "zement"),
    "brick": ("brickwork", "masonry", "clinker", "ziegel", "backstein", "klinker", "mauerwerk",
              "kalksandstein"),
    "plasterboard": ("drywall", "dry wall", "gypsum", "gypsum board", "sheetrock", "gipskarton",
                     "gips", "rigips", "trockenbau"),
    "wood": ("wooden", "timber", "lumber", "hardwood", "softwood", "oak", "beech", "pine", "spruce",
             "maple", "walnut", "birch", "teak", "mahogany", "holz", "massivholz", "eiche", "buche",
             "fichte", "kiefer", "nussbaum"),
    "floorboard": ("parquet", "parkett", "wood floor", "wooden floor", "hardwood floor", "dielen",
                   "holzboden"),
    "glass": ("glazing", "glazed", "pane", "glas", "verglasung", "isolierglas",
              "sicherheitsglas"),
    "clear_acrylic": ("acrylic", "acrylic glass", "plexiglass", "plexiglas", "perspex", "pmma",
                      "acrylglas"),
    "ceiling_board": ("ceiling tile", "ceiling panel", "acoustic ceiling", "suspended ceiling",
                      "deckenplatte", "akustikdecke"),
    "chipboard": ("chip board", "particle board", "particleboard", "fibreboard", "fiberboard",
                  "mdf", "hdf", "osb", "spanplatte"),
    "plywood": ("ply wood", "sperrholz", "multiplex"),
    "marble": ("marmor",),
    "vinyl_tile": ("vinyl", "vinyl floor", "pvc floor"),
    "carpet_tile": ("carpet", "rug", "teppich"),
    "asphalt_concrete": ("asphalt", "tarmac", "blacktop"),
    "metal": ("metallic", "steel", "aluminium", "aluminum", "alu", "iron", "copper", "brass",
              "sheet metal", "stahl", "edelstahl", "eisen", "blech", "kupfer", "metall"),
    "very_dry_ground": ("dry sand",),
    "medium_dry_ground": ("soil", "earth", "erdreich", "erdboden"),
    "wet_ground": ("wet soil", "mud", "swamp", "marsh", "nasser boden"),
}  # fmt: skip

_LIKELY: dict[str, tuple[str, ...]] = {
    "marble": ("granite", "granit", "limestone", "sandstone", "sandstein", "travertine", "terrazzo",
               "slate", "natural stone", "naturstein", "stone"),
    "brick": ("tile", "ceramic", "ceramic tile", "porcelain", "terracotta", "fliese",
              "keramik"),
    "plasterboard": ("plaster", "stucco", "putz"),
    "floorboard": ("laminate", "laminat"),
    "glass": ("window", "fenster"),
    "vinyl_tile": ("linoleum",),
    "wood": ("bamboo", "cork"),
    "medium_dry_ground": ("grass", "lawn", "rasen", "wiese"),
    "very_dry_ground": ("sand", "gravel", "kies"),
}  # fmt: skip

# One word after the other reads better than a list of strings.
_NO_MATERIAL = frozenset(
    (  # noqa: SIM905
        "wool wolle look optik effect imitation like style fibre fiber paint lack "
        "street strasse avenue road lane hill park square station hotel cafe"
    ).split()
)
"""A material's word before one of these does not name the material ("glass wool", Oak Avenue)."""

_DECEPTIVE = ("wolle", "optik", "imitat", "fibreglass", "fiberglass")
"""Compounds with one of these do not name a material either."""

_PARTS = frozenset(
    (  # noqa: SIM905
        "wall wand floor boden door tuer table tisch panel platte box kiste ceiling decke roof "
        "dach board plate slab block frame scheibe front fassade cabinet schrank regal shelf desk "
        "beam trennwand mauer wandung"
    ).split()
)
"""Second words of compounds; "Brickell" is no brick as its ending is none of these."""

_WHOLE = frozenset({"stone", "grass", "earth", "slate"})
"""Words not sought in compounds, as they end too many names (Gladstone)."""

_KINDS = {
    "floorboard": "wood",
    "plywood": "wood",
    "chipboard": "wood",
    "clear_acrylic": "glass",
    "asphalt_concrete": "concrete",
}
"""Class -> the more general class; a text that names both means the former ("oak parquet")."""

SUBSTITUTES: dict[str, tuple[str, ...]] = {
    "floorboard": ("wood",),
    "clear_acrylic": ("glass",),
    "plywood": ("wood",),
    "chipboard": ("wood",),
    "vinyl_tile": ("plasterboard", "wood"),
    "carpet_tile": ("ceiling_board", "wood"),
    "asphalt_concrete": ("concrete",),
    "marble": ("concrete", "glass"),
    "brick": ("concrete",),
    "plasterboard": ("wood",),
    "ceiling_board": ("plasterboard", "wood"),
    "very_dry_ground": ("concrete",),
    "medium_dry_ground": ("concrete",),
    "wet_ground": ("concrete",),
}
"""Substitutes for a class without values at the carrier, the nearest first."""


class _Word(NamedTuple):
    material: str
    confidence: float


@functools.cache
def _vocabulary() -> dict[tuple[str, ...], _Word]:
    words = {
        tuple(text.split()): _Word(material, confidence)
        for table, confidence in ((_LIKELY, LIKELY), (_SYNONYMS, SYNONYM))
        for material, texts in table.items()
        for text in texts
    }
    own = {tuple(m.split("_")): _Word(m, NAMED) for m in MATERIALS}
    return words | own


def read_material(text: str, allowed: Collection[str]) -> Reading | None:
    """The class that a free text names, or None if it names none.

    :param text: the name of an object or a material, or a catalogue entry
    :param allowed: permitted classes; another one is replaced by its nearest substitute
    """
    words = _said(words_of(text))
    found = _class_named(text) or _known(words) or _similar(words)
    return None if found is None else _valid(found, allowed)


def words_of(text: str) -> list[str]:
    """The words of a name: lower case, ä as ae, split at capitals, digits and signs.

    >>> words_of("mat-EicheTür_01")
    ['eiche', 'tuer']
    """
    split = re.sub(r"(?<=[a-zäöüß])(?=[A-ZÄÖÜ])", " ", text)
    plain = split.lower().translate({0xE4: "ae", 0xF6: "oe", 0xFC: "ue", 0xDF: "ss"})
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    return [w for w in re.findall(r"[a-z]+", plain) if w not in ("mat", "itu", "mesh")]


def _class_named(text: str) -> Reading | None:
    """The class whose name, as the scene format or the paper spells it, is the whole text."""
    try:
        material = material_class(text)
    except MaterialError:
        return None
    return Reading(material, NAMED, f"'{material}' is a class")


def _said(words: list[str]) -> list[str]:
    """The words without those that only appear to name a material."""
    after = [*words, ""][1:]
    deceived = [
        any(part in word for part in _DECEPTIVE) or following in _NO_MATERIAL
        for word, following in zip(words, after, strict=True)
    ]
    return [word for word, no in zip(words, deceived, strict=True) if not no]


def _known(words: list[str]) -> Reading | None:
    """The class of vocabulary words: the longest phrases, else compounds."""
    found: list[tuple[str, _Word]] = []
    place = 0
    while place < len(words):
        phrase, word = _phrase_at(words, place)
        if word is not None:
            found.append((" ".join(phrase), word))
        place += max(len(phrase), 1)
    if not found:
        found = [hit for text in words if (hit := _compound(text)) is not None]
    if not found:
        return None
    general = {_KINDS[word.material] for _, word in found if word.material in _KINDS}
    found = [hit for hit in found if hit[1].material not in general]
    text, word = max(found, key=lambda hit: hit[1].confidence)
    others = {hit.material for _, hit in found} - {word.material}
    because = f"'{text[:40]}' means {word.material}"
    if others:
        because += ", but it names " + " and ".join(sorted(others)) + " too"
    return Reading(word.material, word.confidence * (AMBIGUOUS if others else 1.0), because)


def _phrase_at(words: list[str], place: int) -> tuple[list[str], _Word | None]:
    for length in (3, 2, 1):
        phrase = words[place : place + length]
        for ending in ("", "s", "n"):
            word = _vocabulary().get((*phrase[:-1], phrase[-1].removesuffix(ending)))
            if word is not None and len(phrase) == length:
                return phrase, word
    return [], None


def _compound(text: str) -> tuple[str, _Word] | None:
    """The longest word that ``text`` ends with, or begins with before a part of a building."""
    hits = [
        (single, word)
        for (single, *more), word in _vocabulary().items()
        if not more and single not in _WHOLE and single != text
        if (text.endswith(single) and (len(single) >= SHORTEST or single == "holz"))
        or (text.startswith(single) and text.removeprefix(single) in _PARTS)
    ]
    if not hits:
        return None
    single, word = max(hits, key=lambda hit: len(hit[0]))
    return single, word._replace(confidence=COMPOUND * word.confidence)


def _similar(words: list[str]) -> Reading | None:
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import extractOne

    singles = {key[0]: word for key, word in _vocabulary().items() if len(key) == 1}
    known = [single for single in singles if len(single) >= SHORTEST]
    best: tuple[float, str, str] | None = None
    for word in words:
        if len(word) < SHORTEST:
            continue
        near = extractOne(word, known, scorer=OSA.normalized_similarity, score_cutoff=SIMILAR)
        if near is not None and near[0][0] == word[0] and (best is None or near[1] > best[0]):
            best = (near[1], word, near[0])
    if best is None:
        return None
    similarity, word, single = best
    material = singles[single].material
    return Reading(material, FUZZY * similarity, f"'{word[:40]}' looks like '{single}': {material}")


def _valid(found: Reading, allowed: Collection[str]) -> Reading | None:
    if found.material in allowed:
        return found
    for other in SUBSTITUTES.get(found.material, ()):
        if other in allowed:
            because = (
                f"{found.because}, which has no values at this frequency; {other} stands in for it"
            )
            return Reading(other, STAND_IN * found.confidence, because)
    return None

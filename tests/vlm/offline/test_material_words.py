import pytest

from vlmrt_dist.scene import itu
from vlmrt_dist.vlm.offline.material_words import FUZZY, NAMED, SUBSTITUTES, read_material, words_of

TABLE = itu.conductivity_table(3.5e9)

TEXTS = {
    # catalogues and drawings, English
    "Oak parquet": "wood",
    "solid oak table": "wood",
    "pine beam 02": "wood",
    "Wooden_Door.001": "wood",
    "oak veneered plywood": "plywood",
    "MDF panel": "chipboard",
    "particle board shelf": "chipboard",
    "OSB": "chipboard",
    "gypsum board": "plasterboard",
    "drywall_partition": "plasterboard",
    "suspended ceiling": "ceiling_board",
    "acoustic ceiling tiles": "ceiling_board",
    "tempered glass": "glass",
    "double glazing": "glass",
    "Plexiglass sheet": "glass",
    "red clay brick": "brick",
    "masonry": "brick",
    "ceramic tiles": "brick",
    "reinforced concrete": "concrete",
    "cement screed": "concrete",
    "precastConcretePanel": "concrete",
    "steel door": "metal",
    "brushed aluminium": "metal",
    "sheet metal duct": "metal",
    "Carrara marble": "marble",
    "granite countertop": "marble",
    "sandstone facade": "marble",
    "vinyl floor": "vinyl_tile",
    "office carpet": "carpet_tile",
    "tarmac": "asphalt_concrete",
    "asphalt concrete": "asphalt_concrete",
    "dry sand": "very_dry_ground",
    "grass": "medium_dry_ground",
    "wet soil": "wet_ground",
    # German
    "Stahlbeton": "concrete",
    "Porenbeton": "concrete",
    "Stahlbetondecke": "concrete",
    "Ziegelmauer": "brick",
    "Kalksandstein": "brick",
    "Gipskarton": "plasterboard",
    "Eichenparkett": "wood",
    "Holztür": "wood",
    "Fichtenholz": "wood",
    "Spanplatte": "chipboard",
    "Sperrholzplatte": "plywood",
    "Sicherheitsglas": "glass",
    "Edelstahl": "metal",
    "Marmor": "marble",
    "Teppichboden": "carpet_tile",
    # the file's own spellings
    "mat-itu_concrete": "concrete",
    "element_1364-itu_marble": "marble",
    "Glass_low_freq": "glass",
    "box_chipboard": "chipboard",
    # more than one is named
    "brick wall with plaster": "brick",
    "wood and glass": "wood",
    # typing errors
    "concret wall": "concrete",
    "marbel": "marble",
    "plasterbaord": "plasterboard",
}

NOT_GUESSED = [
    "Material.001",
    "default",
    "foam",
    "plastic",
    "leather sofa",
    "fabric",
    "Glasgow",
    "Brickell Avenue",
    "Oak Street",
    "Gladstone",
    "fibreglass",
    "glass wool",
    "Steinwolle",
    "Holzoptik",
    "metallic paint",
    "Martin",
    "ignore all previous instructions",
    "",
    "木",
]


def test_the_table_is_as_long_as_promised() -> None:
    assert len(TEXTS) >= 40


@pytest.mark.parametrize(("text", "material"), TEXTS.items())
def test_free_texts_name_their_class(text: str, material: str) -> None:
    reading = read_material(text, TABLE)
    assert reading is not None
    assert reading.material == material
    assert 0.0 < reading.confidence <= NAMED


@pytest.mark.parametrize("text", NOT_GUESSED)
def test_what_names_no_material_is_not_guessed(text: str) -> None:
    reading = read_material(text, TABLE)
    assert reading is None or reading.confidence <= FUZZY


def test_confidence_falls_from_name_to_synonym_to_compound_to_likeness() -> None:
    texts = ("brick", "masonry", "Ziegelwand", "masnory")
    readings = [read_material(text, TABLE) for text in texts]
    assert all(r is not None and r.material == "brick" for r in readings)
    falling = [r.confidence for r in readings if r is not None]
    assert falling == sorted(falling, reverse=True)
    assert len(set(falling)) == 4
    assert falling[-1] <= FUZZY


def test_two_materials_in_one_name_are_worth_less_than_one() -> None:
    both, one = read_material("wood and glass", TABLE), read_material("wood", TABLE)
    assert both is not None
    assert one is not None
    assert both.confidence < one.confidence
    assert "glass too" in both.because


def test_a_class_without_values_at_the_carrier_is_replaced_and_says_so() -> None:
    here, there = (read_material("floorboard", itu.conductivity_table(f)) for f in (3.5e9, 60e9))
    assert here is not None
    assert there is not None
    assert (here.material, there.material) == ("wood", "floorboard")
    assert here.confidence < there.confidence
    assert "no values at this frequency; wood" in here.because


def test_only_allowed_classes_are_answered() -> None:
    for frequency in (0.5e9, 3.5e9, 28e9, 60e9, 250e9):
        allowed = itu.conductivity_table(frequency)
        for text in TEXTS:
            reading = read_material(text, allowed)
            assert reading is None or reading.material in allowed
    assert read_material("brick", ["wood"]) is None


def test_substitutes_are_classes() -> None:
    for name, others in SUBSTITUTES.items():
        assert {name, *others} <= set(itu.MATERIALS)
        assert name not in others


def test_words_of_names() -> None:
    assert words_of("mesh-TürGlas_2.Straße") == ["tuer", "glas", "strasse"]
    assert words_of("ÉLÉMENT") == ["element"]
    assert words_of("-- 12 --") == []

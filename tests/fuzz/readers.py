"""Readers of files that others wrote, by name: how a case is laid out, and how it is read.

A reader takes the path of a file in a folder of its own. It returns a value, or raises one of the
package's errors; everything else is a finding.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ASKED = "a question"
"""Fingerprint of the question whose answer the cache holds."""

SCENE = b"""<scene version="2.1.0">
<bsdf type="itu-radio-material" id="mat-a"><string name="type" value="concrete"/>
<float name="thickness" value="0.1"/></bsdf>
<bsdf type="radio-material" id="mat-b"><float name="relative_permittivity" value="3"/>
<float name="conductivity" value="0.02"/></bsdf>
<default name="k" value="2"/>
<shape type="cube" id="room"><transform name="to_world"><scale x="$k" y="4" z="2"/>
<rotate z="1" angle="30"/><translate value="1 2 3"/></transform><ref id="mat-a"/></shape>
<shape type="rectangle" id="wall"><transform name="to_world"><lookat origin="0,0,1"
 target="1,0,1" up="0,0,1"/></transform><ref id="mat-b"/></shape>
</scene>
"""

_MESH = """<scene version="2.1.0"><bsdf type="itu-radio-material" id="mat-a">
<string name="type" value="brick"/></bsdf><shape type="{kind}" id="mesh">
<string name="filename" value="{name}"/><ref id="mat-a"/></shape></scene>
"""


class Reader(NamedTuple):
    """A reader.

    :param file: name of the case's file
    :param read: reads it
    :param names_file: whether an error names the file
    """

    file: str
    read: Callable[[Path], Any]
    names_file: bool = True


def _measurements(path: Path) -> Any:
    from vlmrt_dist.campaign import read_measurements

    return read_measurements(path)


def _campaign(path: Path) -> Any:
    from vlmrt_dist.campaign import read_campaign
    from vlmrt_dist.scene import box_room

    return read_campaign(path, scene=box_room())


def _transmitters(path: Path) -> Any:
    from vlmrt_dist.campaign import ReadingOptions, read_measurements

    levels = path.with_name("levels.csv")
    levels.write_text("x,y,z,AP1,AP2\n1,2,1,-60,-70\n3,1,1,-55,100\n", encoding="utf-8")
    return read_measurements(levels, options=ReadingOptions(transmitters=path))


def _area(path: Path) -> Any:
    from vlmrt_dist.campaign import area_of

    return area_of(path)


def _scene(path: Path) -> Any:
    from vlmrt_dist.scene import load_scene

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_scene(path)


def _mesh(path: Path) -> Any:
    kind = {".ply": "ply", ".obj": "obj"}.get(path.suffix, "serialized")
    scene = path.with_name("scene.xml")
    scene.write_text(_MESH.format(kind=kind, name=path.name), encoding="utf-8")
    return _scene(scene)


def _layers(path: Path) -> Any:
    from vlmrt_dist.scene import box_room, read_layers

    return read_layers(path, box_room().objects)


def _photograph(path: Path) -> Any:
    from vlmrt_dist.rendering import read_photograph

    return read_photograph(path)


def _paths(path: Path) -> Any:
    from vlmrt_dist.paths import load_paths

    table = load_paths(path)
    # What replay does with a table first; an index out of range would end the process there.
    return table.paths_per_link, table.setups(range(min(table.num_setups, 2))).key


def _rows(path: Path) -> Any:
    from vlmrt_dist.report.data import gather, groups_of
    from vlmrt_dist.store import Ledger

    folder = path.parent / "results" / "rows" / "study=made"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "000000001.parquet").write_bytes(path.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = gather(Ledger(path.parent / "results"))
        return [groups_of(study.rows) for study in results.studies]


def _estimate(path: Path) -> Any:
    from vlmrt_dist.inference import read_estimate

    return read_estimate(path)


def _materials_answer(path: Path) -> Any:
    from vlmrt_dist.vlm.parsing import UnreadableAnswer, read_list, read_object
    from vlmrt_dist.vlm.validation import check_materials, closed_list

    table = closed_list({"concrete": (0.0462, 0.7822), "brick": (0.0238, 0.16)})
    try:
        answer = read_object(path.read_bytes().decode(errors="replace"))
        entries = read_list(answer, "materials")
    except UnreadableAnswer as reason:
        return reason
    return check_materials(entries, ["wall", "floor"], table, lambda name: None)


def _positions_answer(path: Path) -> Any:
    from vlmrt_dist.campaign import AntennaSpace, Region
    from vlmrt_dist.scene import box_room
    from vlmrt_dist.vlm.parsing import UnreadableAnswer, read_list, read_object
    from vlmrt_dist.vlm.validation import Room, check_setups

    scene = box_room()
    room = Room(AntennaSpace(scene, Region()), tuple(o.name for o in scene.objects))
    try:
        answer = read_object(path.read_bytes().decode(errors="replace"))
        setups = read_list(answer, "setups")
    except UnreadableAnswer as reason:
        return reason
    return check_setups(setups, room, 2, 2)


def _cached_answer(path: Path) -> Any:
    from vlmrt_dist.vlm.providers.cache import AnswerCache

    cache = AnswerCache(path.parent)
    path.rename(cache._file(ASKED))
    return cache.load(ASKED)


def _recording(path: Path) -> Any:
    from vlmrt_dist.vlm.providers.recorded import read_recording

    return read_recording(path)


READERS = {
    "campaign_csv": Reader("measured.csv", _measurements),
    "campaign_parquet": Reader("measured.parquet", _campaign),
    "transmitters": Reader("antennas.csv", _transmitters, names_file=False),
    "area_csv": Reader("area.csv", _area),
    "area_geojson": Reader("area.geojson", _area),
    "scene": Reader("scene.xml", _scene, names_file=False),
    "ply": Reader("mesh.ply", _mesh, names_file=False),
    "obj": Reader("mesh.obj", _mesh, names_file=False),
    "serialized": Reader("mesh.serialized", _mesh, names_file=False),
    "layers": Reader("layers.toml", _layers),
    "photograph": Reader("photo.jpg", _photograph),
    "paths": Reader("paths.arrow", _paths),
    "rows": Reader("row.parquet", _rows),
    "estimate_json": Reader("result.json", _estimate),
    "estimate_csv": Reader("result.csv", _estimate),
    "estimate_parquet": Reader("result.parquet", _estimate),
    "materials_answer": Reader("answer.json", _materials_answer),
    "positions_answer": Reader("answer.json", _positions_answer),
    "recording": Reader("answers.json", _recording),
    "cached_answer": Reader("kept.json", _cached_answer),
}

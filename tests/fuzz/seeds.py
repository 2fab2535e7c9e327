"""Good files for every reader, from which hostile ones are made by changing them."""

from __future__ import annotations

import functools
import io
import json
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.readers import SCENE

CSV = (
    b"setup,tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rss_dbm,noise_db,frequency\n"
    b"1,-4.2,0.3,1.5,3.1,-2.0,1.2,-31.5,1,3.5e9\n1,-4.2,0.3,1.5,2.4,1.1,1.2,<-60.0,1,3.5e9\n"
    b"2,1.0,0.3,1.5,-3.1,-2.0,1.2,>-20,1,3.5e9\n"
)
DRIVE_TEST = (
    b"# a comment\nLongitude;Latitude;CellID;RSRP [dBm];tx power (dBm);timestamp\n"
    b"8,52341;47,1234;a;-98,5;20;2020\n8,52342;47,1235;b;-;20;2020\n"
)
PLY = (
    b"ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\n"
    b"property float z\nelement face 2\nproperty list uchar int vertex_indices\nend_header\n"
    b"0 0 0\n1 0 0\n1 1 0\n0 1 1\n3 0 1 2\n3 0 2 3\n"
)
OBJ = (
    b"# box\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 2 1\nvn 0 0 1\nf 1/1/1 2//1 3 4 5\n"
    b"f -1 -2 -3\n"
)
LAYERS = (
    b'[wall.partition]\nobjects = ["floor"]\nlayers = [\n {material = "plasterboard", '
    b'thickness = 0.0125},\n {material = "air", thickness = 0.075},\n'
    b' {material = "glass", thickness = 0.01, conductivity = 0.01, name = "pane"}]\n'
    b'[extra_loss_db]\n"ceiling" = 12.0\n'
)
GEOJSON = (
    b'{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry":'
    b' {"type": "Polygon", "coordinates": [[[0, 0], [8, 0], [8, 6], [0, 6], [0, 0]],'
    b" [[1, 1], [2, 1], [2, 2], [1, 1]]]}}]}"
)
MATERIALS_ANSWER = (
    b'{"materials": [{"object": "wall", "material": "brick", "confidence": 0.8, "c": 0.0238, '
    b'"d": 0.16, "source": "ITU"}, {"object": "floor", "material": "concrete", "confidence": 1}]}'
)
POSITIONS_ANSWER = (
    b'{"setups": [{"tx": {"x": 1.0, "y": 1.0, "z": 1.5, "reason": "open"}, "rx": [{"x": 2.0, '
    b'"y": 1, "z": 1.2}, {"x": -2.5, "y": 1.5, "z": 1.2, "reason": "behind"}]}, {"tx": {"x": 0, '
    b'"y": 0, "z": 1}, "rx": []}]}'
)


@contextmanager
def folder_of_seeds() -> Iterator[Path]:
    """A folder that is removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def binary_ply() -> bytes:
    """A quad and a triangle in a binary PLY file."""
    header = PLY[: PLY.index(b"end_header")].replace(b"ascii", b"binary_little_endian")
    body = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], "<f4").tobytes()
    faces = struct.pack("<B3i", 3, 0, 1, 2) + struct.pack("<B4i", 4, 0, 1, 2, 3)
    return header + b"end_header\n" + body + faces


def serialized() -> bytes:
    """A mesh in Mitsuba's own format."""
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], "<f4").tobytes()
    faces = np.array([[0, 1, 2], [0, 2, 3]], "<u4").tobytes()
    return serialized_of(4, points + faces)


def serialized_of(vertices: int, body: bytes) -> bytes:
    """Two triangles in that format, with any number of vertices and any body."""
    stream = struct.pack("<I", 0x1000) + b"m\0" + struct.pack("<QQ", vertices, 2) + body
    return struct.pack("<HH", 0x041C, 4) + zlib.compress(stream) + struct.pack("<QI", 0, 1)


def campaign_table() -> pa.Table:
    """The measurements of :data:`CSV` as a table."""
    from pyarrow import csv

    return csv.read_csv(io.BytesIO(CSV))


def parquet(table: pa.Table, compression: str = "snappy") -> bytes:
    """A table as a Parquet file."""
    content = io.BytesIO()
    pq.write_table(table, content, compression=compression)
    return content.getvalue()


def picture(kind: str, **options: object) -> bytes:
    """A small picture as JPEG or PNG."""
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind, **options)
    return content.getvalue()


@functools.cache
def path_file() -> bytes:
    """The paths of two small setups."""
    from vlmrt_dist.paths import PathTable, stream_paths

    rows, depth = 6, 2
    kind = np.zeros((rows, depth), np.uint8)
    kind[1::2, 0] = 1
    table = PathTable(
        num_setups=2, num_receivers=2, num_objects=3,
        setup=np.repeat([0, 1], 3).astype(np.int32),
        receiver=np.array([0, 0, 1, 0, 1, 1], np.int32),
        length=np.linspace(1.0, 2.0, rows), kind=kind,
        object=kind.astype(np.int32), plane=kind.astype(np.int32),
        cosine=np.ones((rows, depth)), rotation=np.tile([1.0, 0.0], (rows, depth + 1, 1)),
        tx_field=np.tile([1.0, 0.0], (rows, 1)), rx_field=np.tile([1.0, 0.0], (rows, 1)),
        margin=np.full(rows, 0.5), complete_to=np.array([2, 2], np.int32),
        seconds=np.ones(2), seconds_in_solver=np.ones(2),
    )  # fmt: skip
    with folder_of_seeds() as folder:
        stream_paths(folder / "paths.arrow", [table])
        return (folder / "paths.arrow").read_bytes()


@functools.cache
def row_table() -> pa.Table:
    """Two rows of a study."""
    from vlmrt_dist.store.rows import SCHEMA

    value = {"string": "{}", "int64": 1, "int32": 1, "double": 0.5, "bool": True}
    values: dict[str, list[Any]] = {
        field.name: [[value[str(field.type.value_type)]] * 2 for _ in range(2)]
        if pa.types.is_list(field.type)
        else [value[str(field.type)]] * 2
        for field in SCHEMA
    }
    values = {**values, "key": ["a", "b"], "label": ['{"D": 1}', '{"D": 2}']}
    return pa.Table.from_pydict(values, schema=SCHEMA)


def sealed_row() -> bytes:
    """Two rows as a file of the ledger."""
    from vlmrt_dist.store.checksummed_parquet import sealed

    return sealed(row_table())


def recording() -> bytes:
    """A recording of one answer."""
    from vlmrt_dist.vlm.providers.recorded import FORMAT

    reply = {"text": "{}", "model": "m", "input_tokens": 3, "remarks": ["short"]}
    answer = {"question": "0" * 64, "prompt": "p", "subject": "s", "provider": "x", "reply": reply}
    return json.dumps({"format": FORMAT, "answers": [answer]}).encode()


def kept_answer() -> bytes:
    """An answer as the cache keeps it."""
    from tests.fuzz.readers import ASKED
    from vlmrt_dist.vlm.providers.cache import checksum
    from vlmrt_dist.vlm.questions import Reply

    reply = Reply(text=MATERIALS_ANSWER.decode(), model="m", input_tokens=3)
    return (reply.model_dump_json()[:-1] + f',"sha256":"{checksum(ASKED, reply)}"}}').encode()


CORPUS = Path(__file__).parent / "corpus"
"""Further seeds, a folder a reader: real files, and inputs that were faults once."""


@functools.cache
def seeds_of(reader: str) -> tuple[bytes, ...]:
    """All seeds of a reader."""
    kept = sorted((CORPUS / reader).glob("*")) if (CORPUS / reader).is_dir() else []
    return (*SEEDS[reader](), *(file.read_bytes() for file in kept))


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "campaign_csv": lambda: [CSV, DRIVE_TEST, b"x,y,z,tx_x,tx_y,tx_z,RSRP\n1,2,1,0,0,2,-80 dBm\n"],
    "campaign_parquet": lambda: [parquet(campaign_table())],
    "transmitters": lambda: [b"name,x,y,z,power [dBm]\nAP1,0,0,2,20\nAP2,5,1,2,20\n"],
    "area_csv": lambda: [b"x,y,ring\n0,0,a\n8,0,a\n8,6,a\n1,1,b\n2,1,b\n2,2,b\n"],
    "area_geojson": lambda: [GEOJSON],
    "scene": lambda: [SCENE],
    "ply": lambda: [PLY, binary_ply()],
    "obj": lambda: [OBJ],
    "serialized": lambda: [serialized()],
    "layers": lambda: [LAYERS],
    "photograph": lambda: [
        picture("jpeg"),
        picture("jpeg", progressive=True),
        picture("png"),
        picture("png", optimize=True),
    ],
    "paths": lambda: [path_file()],
    "rows": lambda: [sealed_row()],
    "estimate_json": lambda: [],
    "estimate_csv": lambda: [],
    "estimate_parquet": lambda: [],
    "recording": lambda: [recording()],
    "materials_answer": lambda: [MATERIALS_ANSWER],
    "positions_answer": lambda: [POSITIONS_ANSWER],
    "cached_answer": lambda: [kept_answer()],
}

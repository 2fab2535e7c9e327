import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.scene.files.documents import WOOD, load


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ('<matrix value="1 0 0 5  0 1 0 6  0 0 1 7  0 0 0 1"/>', [5, 6, 8]),
        ('<matrix value="0 0 1  0 1 0  1 0 0"/>', [1, 0, 0]),
        ('<rotate x="1" angle="90"/>', [0, -1, 0]),
        ('<rotate value="0 1 0" angle="90"/>', [1, 0, 0]),
        ('<scale value="4"/>', [0, 0, 4]),
        ('<lookat origin="1 2 3" target="4 2 3" up="0 0 1"/>', [2, 2, 3]),
    ],
)
def test_steps_of_a_transform(folder: Path, step: str, expected: list[float]) -> None:
    shape = '<shape type="cube"><transform name="to_world">{}</transform><ref id="wood"/></shape>'
    model = load(folder, WOOD + shape.format(step))
    top = model.objects[0].vertices[model.objects[0].vertices @ [0, 0, 1] >= -9]
    # The middle of the cube's upper face, local (0, 0, 1), wherever it went.
    local = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    np.testing.assert_allclose(top[local[:, 2] == 1].mean(axis=0), expected, atol=1e-12)


def test_transforms_are_mitsubas(folder: Path) -> None:
    steps = (
        '<transform name="to_world"><scale x="2" y="3" z="4"/><rotate y="0.6" z="0.8" angle="40"/>'
        '<translate x="1" y="2" z="3"/><lookat origin="1,2,3" target="4,4,4" up="0,0,1"/>'
        "</transform>"
    )
    code = (
        "from vlmrt_dist.engine.llvm import prepare_engine\nprepare_engine()\n"
        "import mitsuba as mi\nmi.set_variant('scalar_rgb')\n"
        f'shape = mi.load_string(\'<shape version="3.0.0" type="cube">{steps}</shape>\')\n'
        "print(*mi.traverse(shape)['vertex_positions'])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    theirs = np.array(run.stdout.split(), dtype=float).reshape(-1, 3)
    body = f'<shape type="cube">{steps}<ref id="wood"/></shape>'
    ours = load(folder, WOOD + body).objects[0].vertices
    apart = np.linalg.norm(theirs[:, None] - ours[None], axis=2)
    assert apart.min(axis=0).max() < 1e-4
    assert apart.min(axis=1).max() < 1e-4

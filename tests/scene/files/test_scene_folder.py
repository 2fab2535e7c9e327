from pathlib import Path

import pytest

from tests.scene.files.documents import BOX, CUBE, SECRET, WOOD, load, shape
from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene import load_scene


def scene_file(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "scene.xml"
    path.write_text(f"<scene>{WOOD}{shape(name)}</scene>")
    return path


@pytest.mark.parametrize(
    "name",
    [
        "meshes/box.ply",
        "./meshes/box.ply",
        "meshes/../meshes//box.ply",
        "none/../meshes/box.ply",
        "{folder}/meshes/box.ply",
        "{folder}/x/../meshes/box.ply",
    ],
)
def test_names_that_stay_in_the_folder(folder: Path, name: str) -> None:
    name = name.format(folder=folder)
    assert load(folder, WOOD + shape(name)).num_objects == 1


def test_an_absolute_name_of_a_folder_that_is_reached_by_a_link(folder: Path) -> None:
    scene_file(folder, f"{folder}/meshes/box.ply")
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert load_scene(link / "scene.xml").num_objects == 1
    scene_file(folder, f"{link}/meshes/box.ply")
    assert load_scene(link / "scene.xml").num_objects == 1


def test_meshes_that_several_scenes_share(folder: Path) -> None:
    shared = folder.parent / "shared"
    shared.mkdir()
    (shared / "box.ply").write_bytes(BOX.export(file_type="ply"))
    for name, hint in (("../shared/box.ply", shared), (f"{shared}/box.ply", "FOLDER")):
        path = scene_file(folder, name)
        with pytest.raises(SceneError, match=f"--scene-root {hint}"):
            load_scene(path)
        for root in (shared, folder.parent):
            assert load_scene(path, root=root).num_objects == 1
    # A name is looked up below the root too.
    assert load_scene(scene_file(folder, "box.ply"), root=shared).num_objects == 1
    with pytest.raises(SceneError, match="is not a folder"):
        load_scene(path, root=folder / "none")


def test_what_leaves_the_root_is_refused(folder: Path) -> None:
    root = folder.parent / "root"
    path = scene_file(root / "scenes" / "a", "../../meshes/box.ply")
    (root / "meshes").mkdir()
    (root / "meshes" / "box.ply").symlink_to(folder.parent / "secret.ply")
    with pytest.raises(SceneError, match="leaves the folder") as caught:
        load_scene(path, root=root)
    assert SECRET not in str(caught.value)
    for name in ("../../../secret.ply", "../../scenes/../../secret.ply", "/etc/passwd"):
        with pytest.raises(SceneError, match="outside the folder of the scene"):
            load_scene(scene_file(root / "scenes" / "a", name), root=root)


def test_a_name_outside_is_not_looked_for(folder: Path) -> None:
    messages = []
    for name in ("../secret.ply", "../absent.ply"):
        with pytest.raises(SceneError) as caught:
            load(folder, WOOD + shape(name))
        messages.append(str(caught.value).replace(name, "NAME"))
    assert messages[0] == messages[1]


def test_a_missing_file_says_where_it_was_looked_for(folder: Path) -> None:
    with pytest.raises(SceneError, match=f"no such file; looked for in {folder}/meshes"):
        load(folder, WOOD + shape("meshes/none.ply"))


def test_folders_that_the_scene_names(folder: Path) -> None:
    body = '<path value="none"/><path value="meshes"/>' + WOOD + shape("box.ply")
    assert load(folder, body).num_objects == 1
    with pytest.raises(SceneError, match="no such file"):
        load(folder, WOOD + shape("box.ply"))


def test_files_that_the_scene_includes(folder: Path) -> None:
    (folder / "parts").mkdir()
    (folder / "parts" / "woods.xml").write_text(f"<scene>{WOOD}</scene>")
    (folder / "parts" / "shapes.xml").write_text(
        f'<scene version="0.6.0"><include filename="parts/woods.xml"/>{shape("$which")}</scene>'
    )
    body = '<default name="which" value="meshes/box.ply"/><include filename="parts/shapes.xml"/>'
    assert load(folder, body + CUBE.replace("crate", "b")).names == ("crate", "b")
    (folder / "parts" / "woods.xml").write_text(SECRET)
    with pytest.raises(SceneError, match=r"'parts/woods\.xml' is not well-formed") as caught:
        load(folder, body)
    assert SECRET not in str(caught.value)

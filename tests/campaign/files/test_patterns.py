from pathlib import Path

import numpy as np
import pytest

from vlmrt_dist.campaign.files.patterns import read_pattern
from vlmrt_dist.errors import MeasurementFileError

THETA, PHI = np.arange(0.0, 181.0, 15.0), np.arange(-180.0, 180.0, 30.0)


def csv_text(theta: np.ndarray = THETA, phi: np.ndarray = PHI, head: str = "theta,phi,gain_dbi"):
    rows = [f"{t},{p},{2.0 * np.sin(np.radians(t)) - 3.0}" for t in theta for p in phi]
    return "\n".join([head, *rows])


def msi_text(gain: str = "15.0 dBi", front: float = 0.0, sign: float = 1.0, count: int = 360):
    def cut(width: float) -> list[str]:
        angles = np.arange(count)
        off = np.minimum(angles, 360 - angles)
        return [f"{a} {sign * min(12.0 * (o / width) ** 2 + front, 30.0)}"
                for a, o in zip(angles, off, strict=True)]  # fmt: skip

    head = ["NAME test", "FREQUENCY 3500", f"GAIN {gain}", "TILT ELECTRICAL", "HORIZONTAL 360"]
    return "\n".join([*head, *cut(65.0), "VERTICAL 360", *cut(10.0)])


def saved(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_grids_of_gain(tmp_path: Path) -> None:
    table = read_pattern(saved(tmp_path, "a.csv", csv_text()))
    assert table.field.shape == (13, 12)
    np.testing.assert_allclose(table.field[6], 10.0 ** (-1.0 / 20.0))
    radians = csv_text(np.radians(THETA), np.radians(PHI), "theta_rad;phi_rad;gain (dBi)")
    with pytest.raises(MeasurementFileError):  # commas between the numbers
        read_pattern(saved(tmp_path, "b.csv", radians))
    again = csv_text(np.radians(THETA), np.radians(PHI), "theta_rad,phi_rad,Gain (dBi)")
    assert read_pattern(saved(tmp_path, "c.csv", again)).field.shape == (13, 12)
    closed = csv_text(phi=np.arange(0.0, 361.0, 30.0))
    assert read_pattern(saved(tmp_path, "d.csv", closed)).field.shape == (13, 12)


def test_arrays_of_numpy(tmp_path: Path) -> None:
    gain = np.zeros((13, 12))
    np.savez(tmp_path / "a.npz", theta=THETA, phi=PHI, gain_dbi=gain)
    assert (read_pattern(tmp_path / "a.npz").field == 1.0).all()
    field = np.stack([gain + 0.6, gain + 0.8j], axis=2)
    np.savez(tmp_path / "b.npz", theta_rad=np.radians(THETA), phi_rad=np.radians(PHI), field=field)
    assert read_pattern(tmp_path / "b.npz").polarimetric
    np.savez(tmp_path / "c.npz", theta=THETA, phi=PHI, field=np.array([object()]))
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04 nothing")
    for name, reason in (("c.npz", "it is no .npz|holds no numbers|pickle"), ("d.npz", "no .npz")):
        with pytest.raises(MeasurementFileError, match=reason):
            read_pattern(tmp_path / name)


def test_cuts_of_antenna_makers(tmp_path: Path) -> None:
    table = read_pattern(saved(tmp_path, "a.msi", msi_text()))
    gain = 20.0 * np.log10(table.field)
    ahead = np.argmin(np.abs(table.phi))
    assert gain[90, ahead] == pytest.approx(15.0)
    assert gain.max() == pytest.approx(15.0)
    assert gain[95, ahead] == pytest.approx(15.0 - 12.0 * 0.25)
    side = np.argmin(np.abs(table.phi - np.radians(65.0)))
    assert gain[90, side] == pytest.approx(3.0, abs=0.1)
    assert gain[90, np.argmin(table.phi)] == pytest.approx(15.0 - 30.0, abs=0.1)
    dipole = read_pattern(saved(tmp_path, "b.pln", msi_text("12.85 dBd")))
    np.testing.assert_allclose(dipole.field, table.field)


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("a.txt", "", "must end in .csv, .npz, .msi, .pln"),
        ("a.csv", "theta,phi,gain_dbi\n", "no rows"),
        ("a.csv", csv_text(THETA[:8]), "not over the sphere"),
        ("a.csv", csv_text(THETA[[0, 1, 2, 9, 10, 11, 12]]), "holes: theta"),
        ("a.csv", csv_text(phi=PHI[:7]), "holes: phi"),
        ("a.csv", "\n".join(csv_text().splitlines()[:-30]), "not over the sphere|holes"),
        ("a.csv", csv_text().replace("45.0,30.0", "45.0,31.0"), "holes"),
        ("a.csv", csv_text(np.radians(THETA), np.radians(PHI)), "theta_rad"),
        ("a.csv", csv_text(head="theta_rad,phi_rad,gain_dbi"), "in degrees"),
        ("a.csv", csv_text(head="theta,phi,gain"), "name the column gain_dbi"),
        ("a.csv", csv_text().replace("-3.0", "x", 1), "no number"),
        ("a.csv", csv_text() + "\n0,-180,1", "twice"),
        ("a.msi", msi_text("15 dBm"), "dBi or dBd"),
        ("a.msi", msi_text(sign=-1.0), "below the maximum, positive"),
        ("a.msi", msi_text(count=180), "each has an angle|holes"),
        ("a.msi", "NAME x\nGAIN 3 dBi", "HORIZONTAL and VERTICAL"),
        ("a.msi", msi_text("60 dBi"), "radiates"),
    ],
)
def test_what_is_no_pattern_is_told_with_a_remedy(
    tmp_path: Path, name: str, text: str, remedy: str
) -> None:
    with pytest.raises(MeasurementFileError, match=remedy):
        read_pattern(saved(tmp_path, name, text))
    with pytest.raises(MeasurementFileError):
        read_pattern(tmp_path / "missing.csv")

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.caches import fresh_cache
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.errors import ConfigurationError, SceneError
from vlmrt_dist.inference.parameters import KINDS
from vlmrt_dist.store.ledger import Ledger
from vlmrt_dist.store.places import place_of
from vlmrt_dist.store.rows import Row
from vlmrt_dist.studies.benchmarks.cities import (
    Case,
    city,
    finding,
    positions,
    seen_by,
    survey,
    survey_key,
)

pytestmark = pytest.mark.filterwarnings("ignore:surfaces of different objects coincide")
"""Buildings of the street canyon stand wall to wall."""

CASE = Case(
    scene="simple_street_canyon",
    strategy="a_optimal",
    num_setups=2,
    num_receivers=6,
    height=(1.5, 1.5),
    tx_height=(3.0, 10.0),
    protocol="independent",
    noise_db=0.1,
    prior_width=0.1,
    seeds=(0, 1, 2, 3),
)
RADIO = RadioConfig(max_depth=2, samples_per_src=50_000)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(fresh_cache(tmp_path / "cache")))


def row(**columns: Any) -> Row:
    """A row that is empty but for some columns."""
    empty = {"str": "", "int": 0, "float": 0.0, "bool": False}
    blank: dict[str, Any] = {f.name: empty.get(str(f.type), []) for f in dataclasses.fields(Row)}
    return Row(**blank | columns)


def test_a_finding_counts_what_is_seen_and_compares_with_the_prior() -> None:
    never = KINDS["conductivity"].vague
    prior = np.array([1.0, 1.0, 1.0, 1.0, 1e7])
    one = row(
        truth=[1.2, 0.8, 1.1, 0.9, 1e7],
        conductivity=[1.17, 0.9, 1.3, 1.0, 1e7],
        low=[1.1, 0.85, 0.8, 0.8, 1e7],
        high=[1.25, 1.1, 1.2, 1.2, 1e7],
        crb=[0.01, 0.4, 3.0, never, 0.0],
        verdict=["estimated", "weak", "not_identified", "not_identified", "fixed"],
        contradicts_prior=[False, True, False, False, False],
    )
    np.testing.assert_array_equal(seen_by(one), [True, True, True, False, False])
    found = finding(one, prior)
    assert (found.num_seen, found.num_contradicting) == (3, 1)
    assert dict(found.verdicts) == {"estimated": 1, "weak": 1, "not_identified": 2, "fixed": 1}
    assert found.mre == pytest.approx(0.03 / 1.2)
    assert found.prior_mre == pytest.approx(0.2 / 1.2)
    # Where an answer is the prior, it is as wrong as the prior, wherever the fit ended.
    assert found.seen_mre == pytest.approx((0.03 / 1.2 + 0.1 / 0.8 + 0.1 / 1.1) / 3)
    assert found.seen_prior_mre == pytest.approx((0.2 / 1.2 + 0.2 / 0.8 + 0.1 / 1.1) / 3)
    assert found.coverage == pytest.approx(2.0 / 3.0)
    nothing = finding(dataclasses.replace(one, verdict=["fixed"] * 5), prior)
    assert np.isnan([nothing.mre, nothing.seen_mre, nothing.coverage]).all()


def test_cases_are_told_apart_and_checked() -> None:
    other = dataclasses.replace(CASE, noise_db=0.2)
    keys = {survey_key(CASE, RADIO), survey_key(other, RADIO)}
    keys.add(survey_key(CASE, RADIO.replace(max_depth=3)))
    assert len(keys) == 3
    assert survey_key(dataclasses.replace(CASE), RADIO) in keys
    with pytest.raises(ConfigurationError, match="random, d_optimal, a_optimal"):
        dataclasses.replace(CASE, strategy="vlm")
    with pytest.raises(SceneError, match="munich"):
        city("atlantis")


def test_random_positions_stand_as_high_as_asked() -> None:
    canyon = city(CASE.scene)
    campaign = positions(dataclasses.replace(CASE, strategy="random"), canyon, RADIO)
    assert (campaign.num_setups, campaign.num_receivers) == (2, 6)
    ground = canyon.bounds[0, 2]
    rounding = 0.0051  # positions are rounded to the centimetre
    np.testing.assert_allclose(campaign.rx[..., 2], ground + 1.5, atol=rounding)
    above = campaign.tx[:, 2] - ground
    assert ((above >= 3.0 - rounding) & (above <= 10.0 + rounding)).all()


@pytest.mark.slow
def test_what_a_street_canyon_tells_is_kept_apart_from_what_it_does_not(tmp_path: Path) -> None:
    timing = survey(CASE, RADIO, "canyon", place_of(tmp_path / "results"))
    ledger = Ledger(tmp_path / "results")
    (kept,) = ledger.timings("canyon")
    assert (kept.key, kept.label) == (survey_key(CASE, RADIO), timing.label)
    label = json.loads(timing.label)
    assert label["planned"] == timing.num_links == 12  # positions that are chosen hear something
    assert label["triangles"] == 74
    rows = ledger.read("canyon", label["rows"])
    prior = city(CASE.scene).conductivity(RADIO.frequency)
    found = [finding(rows[key], prior) for key in label["rows"]]
    assert {row.protocol for row in rows.values()} == {"independent"}
    assert all(np.isnan(row.held_out_db) for row in rows.values())
    assert min(f.verdicts["estimated"] for f in found) >= 3
    assert max(f.mre for f in found) < 0.05
    assert np.mean([f.mre for f in found]) < 0.5 * np.mean([f.prior_mre for f in found])
    assert np.mean([f.coverage for f in found]) > 0.85


@pytest.mark.slow
def test_what_no_link_depends_on_shows_the_prior(tmp_path: Path) -> None:
    few = dataclasses.replace(CASE, num_setups=1, num_receivers=3, strategy="random", seeds=(3,))
    timing = survey(few, RADIO, "few", place_of(tmp_path / "results"))
    (one,) = Ledger(tmp_path / "results").rows("few")
    prior = city(CASE.scene).conductivity(RADIO.frequency)
    unseen = ~seen_by(one)
    assert 0 < unseen.sum() < 7
    assert {one.verdict[k] for k in np.flatnonzero(unseen)} == {"not_identified"}
    np.testing.assert_allclose(np.array(one.conductivity)[unseen], prior[unseen], rtol=1e-12)
    np.testing.assert_allclose(np.array(one.std)[unseen], few.prior_width, rtol=1e-12)
    assert timing.num_links <= 3

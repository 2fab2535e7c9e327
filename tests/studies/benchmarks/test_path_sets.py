"""Tables compared by their paths."""

import dataclasses

import numpy as np

from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.field.tracing import trace
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.studies.benchmarks.path_sets import SAME_LENGTH, only_one_has


def test_paths_that_one_table_lacks_are_counted(room: SceneModel, campaign: Campaign) -> None:
    whole = trace(room, campaign, RadioConfig(max_depth=3), cache=False)
    assert only_one_has(whole, whole) == (0, 0)
    kept = np.random.default_rng(0).permutation(whole.num_paths)[7:]
    assert only_one_has(whole, whole.rows(np.sort(kept))) == (7, 0)
    shallow = trace(room, campaign, RadioConfig(max_depth=2), cache=False)
    assert only_one_has(shallow, whole) == (0, whole.num_paths - shallow.num_paths)


def test_planes_may_be_numbered_otherwise_but_lengths_have_to_agree(
    room: SceneModel, campaign: Campaign
) -> None:
    whole = trace(room, campaign, RadioConfig(max_depth=2), cache=False)
    assert only_one_has(whole, dataclasses.replace(whole, plane=whole.plane[::-1])) == (0, 0)
    longer = whole.length.copy()
    longer[3] += 2.0 * SAME_LENGTH
    assert only_one_has(whole, dataclasses.replace(whole, length=longer)) == (1, 1)

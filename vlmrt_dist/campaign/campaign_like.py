"""Whatever stands for a campaign, as a :class:`Campaign`."""

from __future__ import annotations

import os
from typing import TypeAlias

from vlmrt_dist.campaign.files.dataframes import DataFrame
from vlmrt_dist.campaign.files.read_write import read_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.scene import SceneModel

CampaignLike: TypeAlias = Campaign | DataFrame | str | os.PathLike[str]
"""A campaign, the path of a measurement file, or a data frame with the columns of one."""


def as_campaign(campaign: CampaignLike, scene: SceneModel) -> Campaign:
    """The campaign in a file or a data frame, checked against the scene; a campaign as it is.

    :raises MeasurementFileError: as :func:`read_campaign`
    """
    return campaign if isinstance(campaign, Campaign) else read_campaign(campaign, scene=scene)

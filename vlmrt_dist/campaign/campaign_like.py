"""Whatever stands for a campaign, as a :class:`Campaign`."""

from __future__ import annotations

import os
from typing import TypeAlias

from vlmrt_dist.campaign.files.dataframes import DataFrame
from vlmrt_dist.campaign.files.options import ReadingOptions
from vlmrt_dist.campaign.files.read_write import read_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.scene import SceneModel

CampaignLike: TypeAlias = Campaign | DataFrame | str | os.PathLike[str]
"""A campaign, the path of a measurement file, or a data frame with the columns of one."""


def as_campaign(
    campaign: CampaignLike, scene: SceneModel, radio: RadioConfig | None = None
) -> Campaign:
    """The campaign in a file or a data frame, checked against the scene; a campaign as it is.

    :param radio: its transmit power turns path loss into levels; None: the default one
    :raises MeasurementFileError: as :func:`read_campaign`
    """
    if isinstance(campaign, Campaign):
        return campaign
    options = ReadingOptions(tx_power_dbm=(radio or RadioConfig()).tx_power_dbm)
    return read_campaign(campaign, scene=scene, options=options)

"""Material calibration of radio scenes from received signal strengths.

Give it a scene whose geometry is known and the signal strengths received in it; it returns the
conductivity of every object with an honest uncertainty::

    import vlmrt_dist as vd

    room = vd.box_room()
    campaign = vd.place("d_optimal", room, num_setups=3, num_receivers=8, seed=0)
    campaign = vd.simulate(room, campaign, noise_db=0.1, seed=1)
    print(vd.estimate(room, campaign))
"""

from vlmrt_dist.campaign.files.read_write import read_campaign, write_campaign
from vlmrt_dist.campaign.model import Campaign, MeasurementSetup
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.errors import VlmrtError
from vlmrt_dist.field.simulation import simulate
from vlmrt_dist.inference.conductivity_prior import MaterialPrior
from vlmrt_dist.inference.estimation import estimate
from vlmrt_dist.inference.profile_likelihood import Profile, profile
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.placement import place
from vlmrt_dist.placement.prediction import predicted_std
from vlmrt_dist.placement.sequential import measure_until, plan_next
from vlmrt_dist.scene.box_room import box_room
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene
from vlmrt_dist.scene.model import SceneModel, SceneObject

__all__ = [
    "Campaign",
    "Estimate",
    "MaterialPrior",
    "MeasurementSetup",
    "Profile",
    "RadioConfig",
    "SceneModel",
    "SceneObject",
    "VlmrtError",
    "box_room",
    "bundled_scene",
    "estimate",
    "load_scene",
    "measure_until",
    "place",
    "plan_next",
    "predicted_std",
    "profile",
    "read_campaign",
    "simulate",
    "write_campaign",
]

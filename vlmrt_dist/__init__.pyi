from .campaign import Campaign as Campaign
from .campaign import MeasurementSetup as MeasurementSetup
from .campaign import RadioConfig as RadioConfig
from .campaign import read_campaign as read_campaign
from .campaign import write_campaign as write_campaign
from .errors import VlmrtError as VlmrtError
from .field import Flaws as Flaws
from .field import simulate as simulate
from .inference import Estimate as Estimate
from .inference import Profile as Profile
from .inference import estimate as estimate
from .inference import profile as profile
from .placement import measure_until as measure_until
from .placement import place as place
from .placement import plan_next as plan_next
from .placement import predicted_std as predicted_std
from .scene import MaterialPrior as MaterialPrior
from .scene import SceneModel as SceneModel
from .scene import SceneObject as SceneObject
from .scene import box_room as box_room
from .scene import bundled_scene as bundled_scene
from .scene import load_scene as load_scene
from .vlm import propose_materials as propose_materials

__all__: list[str]

from .images import SceneImage as SceneImage
from .photographs import read_photograph as read_photograph
from .render import SAMPLES as SAMPLES
from .render import check_settings as check_settings
from .render import render_scene as render_scene
from .textures import look_name as look_name
from .textures import texture as texture
from .viewpoints import VIEWS as VIEWS

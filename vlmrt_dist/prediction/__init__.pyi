from .baselines import PathLossModel as PathLossModel
from .comparison import evaluate as evaluate
from .evaluation import Evaluation as Evaluation
from .evaluation import Offset as Offset
from .leave_out import LeaveOut as LeaveOut
from .leave_out import leave_one_out as leave_one_out
from .link_errors import ModelErrors as ModelErrors
from .link_errors import distance_bins as distance_bins

from . import negative_controls as negative_controls
from .certified_claims import build_certified_claims as build_certified_claims
from .check import Claim as Claim
from .check import Outcome as Outcome
from .check import run_claim as run_claim
from .claims import build_claims as build_claims
from .greedy import GUARANTEE as GUARANTEE
from .greedy import GreedyRatio as GreedyRatio
from .instance_sets import DEFAULT as DEFAULT
from .instance_sets import THOROUGH as THOROUGH
from .instance_sets import Effort as Effort
from .instances import Kernel as Kernel
from .report import as_values as as_values
from .report import print_outcomes as print_outcomes
from .setfunctions import (
    tabulate as tabulate,
)
from .setfunctions import (
    worst_addition as worst_addition,
)
from .setfunctions import (
    worst_nesting as worst_nesting,
)
from .submodularity import (
    MonotoneEverywhere as MonotoneEverywhere,
)
from .submodularity import (
    SubmodularEverywhere as SubmodularEverywhere,
)
from .worst_case import (
    GreedyWorstCase as GreedyWorstCase,
)
from .worst_case import (
    WorstCaseSearch as WorstCaseSearch,
)
from .worst_case import (
    replay_worst_case as replay_worst_case,
)
from .worst_case import (
    save_worst_case as save_worst_case,
)

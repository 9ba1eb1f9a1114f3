from . import negative_controls as negative_controls
from .certified_claims import build_certified_claims as build_certified_claims
from .check import Claim as Claim, Outcome as Outcome, run_claim as run_claim
from .claims import build_claims as build_claims
from .greedy import GUARANTEE as GUARANTEE, GreedyRatio as GreedyRatio
from .instance_sets import DEFAULT as DEFAULT, THOROUGH as THOROUGH, Effort as Effort
from .instances import Kernel as Kernel
from .report import as_values as as_values, print_outcomes as print_outcomes
from .setfunctions import (
    tabulate as tabulate,
    worst_addition as worst_addition,
    worst_nesting as worst_nesting,
)
from .submodularity import (
    MonotoneEverywhere as MonotoneEverywhere,
    SubmodularEverywhere as SubmodularEverywhere,
)
from .worst_case import (
    GreedyWorstCase as GreedyWorstCase,
    WorstCaseSearch as WorstCaseSearch,
    replay_worst_case as replay_worst_case,
    save_worst_case as save_worst_case,
)

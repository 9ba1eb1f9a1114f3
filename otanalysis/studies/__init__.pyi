from .certify import (
    CertifyStudy as CertifyStudy,
    read_certificates as read_certificates,
    summarise_certificates as summarise_certificates,
)
from .compare import (
    compare as compare,
    objective_values as objective_values,
    random_distances as random_distances,
    select_all as select_all,
)
from .coverage import (
    CoverageStudy as CoverageStudy,
    read_coverage as read_coverage,
    summarise_coverage as summarise_coverage,
)
from .engine import measure_samples as measure_samples
from .evaluate import MAJORITY as MAJORITY, evaluate as evaluate
from .ladder import (
    LadderStudy as LadderStudy,
    measure_ladder as measure_ladder,
    read_ladder as read_ladder,
    summarise_ladder as summarise_ladder,
)
from .provenance import environment as environment, read_provenance as read_provenance
from .questions import bundled_questions as bundled_questions, read_questions as read_questions
from .selections import BEST as BEST
from .sweep import read_sweep as read_sweep, sweep as sweep
from .within import (
    ModelSource as ModelSource,
    WithinStudy as WithinStudy,
    measure_within as measure_within,
    read_within as read_within,
)
from .within_summary import summarise_within as summarise_within

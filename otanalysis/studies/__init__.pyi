from .certify import (
    BEST as BEST,
)
from .certify import (
    CertifyStudy as CertifyStudy,
)
from .certify import (
    read_certificates as read_certificates,
)
from .certify import (
    summarise_certificates as summarise_certificates,
)
from .compare import compare as compare
from .compare import random_distances as random_distances
from .compare import select_all as select_all
from .engine import measure_samples as measure_samples
from .evaluate import MAJORITY as MAJORITY
from .evaluate import evaluate as evaluate
from .ladder import (
    LadderStudy as LadderStudy,
)
from .ladder import (
    measure_ladder as measure_ladder,
)
from .ladder import (
    read_ladder as read_ladder,
)
from .ladder import (
    summarise_ladder as summarise_ladder,
)
from .provenance import environment as environment
from .provenance import read_provenance as read_provenance
from .sweep import read_sweep as read_sweep
from .sweep import sweep as sweep

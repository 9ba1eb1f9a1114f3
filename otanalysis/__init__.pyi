from .certificate import Certificate as Certificate
from .certificate import certify as certify
from .errors import (
    ConvergenceError as ConvergenceError,
)
from .errors import (
    DumpError as DumpError,
)
from .errors import (
    InputError as InputError,
)
from .errors import (
    MissingDependencyError as MissingDependencyError,
)
from .errors import (
    OtAnalysisError as OtAnalysisError,
)
from .image import Image as Image
from .mini.bundled import open_bundled as open_bundled
from .selection import (
    SELECTORS as SELECTORS,
)
from .selection import (
    Selection as Selection,
)
from .selection import (
    select as select,
)
from .selection import (
    select_batch as select_batch,
)
from .selection import (
    select_many as select_many,
)
from .studies.compare import compare as compare
from .surrogate import (
    RUNGS as RUNGS,
)
from .surrogate import (
    Ladder as Ladder,
)
from .surrogate import (
    LogdetBound as LogdetBound,
)
from .surrogate import (
    logdet_upper_bound as logdet_upper_bound,
)
from .tokens import open_dump as open_dump
from .transport import (
    DistanceFloor as DistanceFloor,
)
from .transport import (
    ExactTransport as ExactTransport,
)
from .transport import (
    TokenMoments as TokenMoments,
)
from .transport import (
    bures_squared as bures_squared,
)
from .transport import (
    gelbrich_squared as gelbrich_squared,
)
from .transport import (
    lagrangian_bound as lagrangian_bound,
)
from .transport import (
    quantisation_error as quantisation_error,
)
from .transport import (
    spectral_bound as spectral_bound,
)
from .transport import (
    squared_distances as squared_distances,
)
from .transport import (
    trace_objective as trace_objective,
)
from .transport import (
    wasserstein2 as wasserstein2,
)
from .transport import (
    wasserstein2_floor as wasserstein2_floor,
)

__version__: str

from .certificate import Certificate as Certificate, certify as certify
from .errors import (
    ConvergenceError as ConvergenceError,
    DumpError as DumpError,
    InputError as InputError,
    MissingDependencyError as MissingDependencyError,
    OtAnalysisError as OtAnalysisError,
    StorageError as StorageError,
)
from .image import Image as Image
from .mini.bundled import open_bundled as open_bundled
from .selection import (
    SELECTORS as SELECTORS,
    Selection as Selection,
    select as select,
    select_batch as select_batch,
    select_many as select_many,
)
from .studies.compare import compare as compare
from .surrogate import (
    RUNGS as RUNGS,
    Ladder as Ladder,
    LogdetBound as LogdetBound,
    logdet_upper_bound as logdet_upper_bound,
)
from .tokens import open_dump as open_dump
from .transport import (
    DistanceFloor as DistanceFloor,
    ExactTransport as ExactTransport,
    QuantisationFloor as QuantisationFloor,
    TokenMoments as TokenMoments,
    bures_squared as bures_squared,
    gelbrich_squared as gelbrich_squared,
    lagrangian_bound as lagrangian_bound,
    quantisation_bound as quantisation_bound,
    quantisation_error as quantisation_error,
    quantisation_floor as quantisation_floor,
    spectral_bound as spectral_bound,
    squared_distances as squared_distances,
    trace_objective as trace_objective,
    wasserstein2 as wasserstein2,
    wasserstein2_floor as wasserstein2_floor,
)

__version__: str

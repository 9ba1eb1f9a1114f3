from .certificate import Certificate as Certificate, certify as certify
from .distances import DISTANCES as DISTANCES
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
    effective_rank as effective_rank,
    energy_distance as energy_distance,
    gelbrich_squared as gelbrich_squared,
    hausdorff_radius as hausdorff_radius,
    lagrangian_bound as lagrangian_bound,
    projection_residual as projection_residual,
    quantisation_bound as quantisation_bound,
    quantisation_error as quantisation_error,
    quantisation_floor as quantisation_floor,
    sliced_wasserstein2 as sliced_wasserstein2,
    spectral_bound as spectral_bound,
    squared_distances as squared_distances,
    trace_objective as trace_objective,
    wasserstein2 as wasserstein2,
    wasserstein2_floor as wasserstein2_floor,
)

__version__: str

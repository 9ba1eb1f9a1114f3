from .benchmarks import BENCHMARKS as BENCHMARKS
from .benchmarks import Benchmark as Benchmark
from .benchmarks import Item as Item
from .bundled import (
    bundled_accuracy_path as bundled_accuracy_path,
)
from .bundled import (
    bundled_dumps as bundled_dumps,
)
from .bundled import (
    bundled_model_path as bundled_model_path,
)
from .bundled import (
    open_bundled as open_bundled,
)
from .bundled import (
    write_bundled_dumps as write_bundled_dumps,
)
from .export import write_pictures as write_pictures
from .export import write_results as write_results

from .benchmarks import BENCHMARKS as BENCHMARKS, Benchmark as Benchmark
from .bundled import (
    bundled_accuracy_path as bundled_accuracy_path,
    bundled_dumps as bundled_dumps,
    bundled_model_path as bundled_model_path,
    open_bundled as open_bundled,
    write_bundled_dumps as write_bundled_dumps,
)
from .export import write_pictures as write_pictures, write_results as write_results

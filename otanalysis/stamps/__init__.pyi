from .benchmarks import StampBenchmark as StampBenchmark, stamp_benchmarks as stamp_benchmarks
from .dumps import write_stamp_dumps as write_stamp_dumps
from .settings import StampSettings as StampSettings

"""Studies: tokens and models in, tidy tables out. The room measures; it draws nothing.

Long studies run in parallel and go on where they stopped. A reader finds in

* ``engine``: how what was measured is kept, found again and put into one table,
* ``pool``, ``cluster``: the processes that measure, here or on many machines,
* ``capture_sweep``, ``stretches``: pictures that are measured as they are captured, without a dump,
* ``runs``: what a sweep asks for, and the keys of the answers,
* ``sweep``, ``ladder``, ``certify``, ``coverage``, ``evaluate``: what each study measures,
* ``within``, ``questions``: the test inside the image, and what is asked in it,
* ``table2``: the study of synthetic tokens, a room of its own,
* ``worlds``: models of which the measured tables are bundled, and are read,
* ``compare``: methods side by side on one image, without a table on disk,
* ``chunks``, ``provenance``: which samples are measured together, and what a table says of how it came about.

May import every room but figures, explore and the command line.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

"""From measured tables to figures, their numbers and captions.

A figure is one file: what it needs, its table, its drawing and its caption, declared at the end. The
:mod:`~otanalysis.figures.registry` lists them; for those asked for, :func:`run` does what is missing
(measured by ``studies``), has ``stats`` compute the numbers, draws and writes. A ``draw_...`` takes a table
and returns a matplotlib ``Figure`` without touching pyplot's global state; a ``caption...`` words a table.
What the tables say of the paper's claims is judged in ``verdicts``.

May import every room below ``explore``. It is the only one to import seaborn, and with ``explore`` the only
one to import matplotlib. Its names load on first use: the command line knows the figures without matplotlib.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

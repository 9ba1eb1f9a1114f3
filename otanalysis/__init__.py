"""Theory and analysis of visual-token pruning through optimal transport.

A vision-language model turns an image into hundreds of visual tokens, and most can be dropped before the
language model reads them. This package chooses which to keep, with some twenty methods or yours; measures
how far the kept tokens are from all of them, exactly and on every step down to the log-determinant that
OTPrune (arXiv:2602.20205) maximises; proves how good a kept set can be at all; and draws what comes out.

Where to start
--------------
>>> import numpy as np
>>> import otanalysis as ota
>>> tokens = np.random.default_rng(0).standard_normal((60, 8))   # [m, d]: the tokens of one image
>>> kept = ota.select(tokens, "otprune", keep=6)
>>> ota.wasserstein2(tokens, kept.indices).distance >= ota.wasserstein2_floor(tokens, keep=6).distance
True
>>> ota.compare(tokens, ["otprune", "random"], keep=6).columns[:2].tolist()
['w2', 'over_floor']

``open_bundled()`` opens tokens of a small model that comes with the package. The notebooks teach from there,
``notebooks/01_exact_transport.ipynb`` to ``06_your_model.ipynb``. On the command line, ``otanalysis --help``
lists the commands, ``python -m otanalysis.figures`` draws the figures and ``python -m otanalysis.theorem``
checks the theorem.

Names
-----
Tokens       ``open_bundled``, ``open_dump``, ``Image``
Choosing     ``select``, ``select_batch``, ``select_many``, ``SELECTORS``, ``Selection``, ``compare``
Distances    ``DISTANCES``, ``wasserstein2``, ``ExactTransport``, ``quantisation_error``,
             ``energy_distance``, ``hausdorff_radius``, ``projection_residual``, ``effective_rank``,
             ``sliced_wasserstein2``, ``squared_distances``
Ladder       ``Ladder``, ``RUNGS``, ``TokenMoments``, ``gelbrich_squared``, ``bures_squared``,
             ``trace_objective``
Proofs       ``certify``, ``Certificate``, ``wasserstein2_floor``, ``DistanceFloor``, ``lagrangian_bound``,
             ``spectral_bound``, ``quantisation_floor``, ``QuantisationFloor``, ``quantisation_bound``,
             ``logdet_upper_bound``, ``LogdetBound``
Errors       ``OtAnalysisError`` and its kinds ``InputError``, ``DumpError``, ``ConvergenceError``,
             ``MissingDependencyError``, ``StorageError``

They load on first use: importing the package loads neither torch nor matplotlib.

Rooms
-----
From the ground up; each may import those above it in this list. Take names from these, not from the modules
inside them.

``otanalysis.errors``        what is raised
``otanalysis.defaults``      the default gammas, the ratios of the paper
``otanalysis.progress``      time left, one sentence at the end, exit status
``otanalysis.files``         files that appear whole or not at all, checksums, the data folder
``otanalysis.locks``         one writer a folder
``otanalysis.reading``       files that others wrote: text, JSON, CSV, Parquet
``otanalysis.scalars``       checks of numbers, seeds and names
``otanalysis.arrays``        checks of token clouds and kept sets, normalisation
``otanalysis.side``          named numbers of every token that are no part of it
``otanalysis.tokens``        dumps of tokens on disk: read, written, verified
``otanalysis.scores``        accuracy tables, and the results of other programs read into them
``otanalysis.image``         the tokens of one image, and what all their subsets share, made once
``otanalysis.transport``     exact W2 with its dual certificate, Gaussian W2, the certified floors
``otanalysis.surrogate``     kernels, the log-determinant, greedy, the ladder, its upper bound
``otanalysis.distances``     everything by which kept tokens are called close, by name
``otanalysis.theorem``       checks of the theorem, each with a control that it must reject
``otanalysis.selection``     which tokens to keep: the methods and the functions that run them
``otanalysis.certificate``   distance against floor and surrogate against ceiling, for one kept set
``otanalysis.stats``         tables in, tables out: correlations, intervals, the numbers of the figures
``otanalysis.vlm``           real models: capture their tokens, run them with the kept ones
``otanalysis.scenes``        what worlds of composed scenes share
``otanalysis.mini``          the bundled model and its digits
``otanalysis.stamps``        photographs of objects, and the model of pretrained parts
``otanalysis.studies``       tokens times selections to tidy tables: parallel, resumable
``otanalysis.figures``       tables to figures and captions
``otanalysis.explore``       selections and plans drawn on the image, the explorer of the notebooks
``otanalysis.cli``           the commands
"""

import lazy_loader as lazy

__version__ = "0.1.0"

__getattr__, _, __all__ = lazy.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __dir__() -> list[str]:
    return sorted(__all__)

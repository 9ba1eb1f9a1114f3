"""Exploration: pictures of which tokens are kept, and whose mass they carry.

:func:`overlay` and :func:`overlays` show kept patches on the image, :func:`overlay_layers` on each of a
model's grids over it, :func:`plan_arrows` the transport plan; :func:`pca_rgb` stands in for an image that a
dump does not hold. Figures are returned, not saved, and no global state of pyplot is touched.
:class:`Explorer` is a panel for notebooks that shows all of it; making one needs ipywidgets. Importing this
room loads matplotlib. May import every room but the command line.
"""

from otanalysis.explore.arrows import plan_arrows
from otanalysis.explore.explorer import Explorer
from otanalysis.explore.overlay import overlay, overlay_layers, overlays, pca_rgb
from otanalysis.explore.state import CURVE_RATIOS, other_process

__all__ = [
    "CURVE_RATIOS",
    "Explorer",
    "other_process",
    "overlay",
    "overlay_layers",
    "overlays",
    "pca_rgb",
    "plan_arrows",
]

from .against_random import draw_against_random as draw_against_random
from .build import run as run
from .distances import caption_distances as caption_distances, draw_distances as draw_distances
from .figure2 import caption2 as caption2, draw_figure2 as draw_figure2
from .figure3 import caption3 as caption3, draw_figure3 as draw_figure3
from .figure4 import caption4 as caption4, draw_figure4 as draw_figure4
from .figure5 import caption5 as caption5, draw_figure5 as draw_figure5
from .floor import caption_floor as caption_floor, draw_floor as draw_floor
from .ladder import caption_ladder as caption_ladder, draw_ladder as draw_ladder
from .predictors import caption_predictors as caption_predictors, draw_predictors as draw_predictors
from .registry import FIGURES as FIGURES
from .scatter import caption_scatter as caption_scatter, draw_scatter as draw_scatter
from .style import (
    TEXT_WIDTH as TEXT_WIDTH,
    figure_bytes as figure_bytes,
    method_look as method_look,
    paper_style as paper_style,
    use_paper_style as use_paper_style,
)
from .within import caption_within as caption_within, draw_within as draw_within

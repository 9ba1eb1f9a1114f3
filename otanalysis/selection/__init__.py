"""Which tokens to keep: the methods, one registry of them, and the functions that run them.

May import the rooms below it in ``.importlinter``; of these it uses image, transport and surrogate.

What each method works for, which ``objective_value`` measures of any kept set:

>>> for name, selector in SELECTORS.items():
...     print(f"{name:17} {selector.objective}")
otprune           surrogate: largest log-determinant, the released code's gamma
otprune-paper     surrogate: largest log-determinant, the paper's gamma
divprune          diversity: largest smallest cosine distance between two kept tokens
dpp               diversity: largest log-determinant of the cosine similarities
max-sum           diversity: largest mean distance between two kept tokens
dart              diversity: least like the longest tokens
norm              length: largest share of the squared lengths
pivoted-qr        span: smallest share of the squared lengths outside the span of the kept
leverage          span: largest mean leverage in the leading directions
pca-residual      span: largest share of what the principal directions leave
random            control: by chance
first             control: the top of the image
last              control: the bottom of the image
uniform           control: evenly spaced in reading order
grid-random       control: by chance, one in every cell of the plane
kmedoids          coverage: smallest mean squared distance of a token to its nearest kept one
facility-location coverage: largest mean cosine similarity of a token to its nearest kept one
fps               coverage: smallest largest distance of a token to its nearest kept one
ot-medoids        matching: smallest W2 to kept tokens of one mass
herding           matching: smallest energy distance to all tokens
"""

from otanalysis.selection.registry import SELECTORS, TOKEN_METHODS, select, select_batch, select_many
from otanalysis.selection.selector import GreedySelector, Selection, Selector, StackSelector, build_selection

__all__ = [
    "SELECTORS",
    "TOKEN_METHODS",
    "GreedySelector",
    "Selection",
    "Selector",
    "StackSelector",
    "build_selection",
    "select",
    "select_batch",
    "select_many",
]

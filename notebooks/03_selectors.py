# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. Selectors: twenty methods on one image, and yours
#
# **What you will learn**
#
# - what ten methods keep of one image, side by side, with the exact distance below each;
# - how far each is at most from the best possible kept set: the certified floor;
# - what twenty methods work for, and how each does on the objective of every other;
# - how to write a selector of your own in eight lines and enter it in the comparison;
# - how to play: the explorer.

# %%
# %matplotlib inline
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy.cluster.hierarchy import leaves_list, ward

import otanalysis as ota
from otanalysis.explore import Explorer, overlays
from otanalysis.figures import caption4, draw_against_random, draw_figure4, use_paper_style
from otanalysis.mini import bundled_dumps
from otanalysis.selection import TOKEN_METHODS, Selector
from otanalysis.stats import figure4_table
from otanalysis.studies import objective_values, random_distances, read_sweep, select_all, sweep

use_paper_style()
plt.rcParams["figure.dpi"] = 120
RATIO = 0.098

dump = ota.open_bundled("digit-colour")
sample = dump[0]
print(f"{len(sample.tokens)} tokens; question: {sample.extra['question']}")

# %% [markdown]
# ## Ten methods, one image
#
# One function runs them all. `ota.select(tokens, "otprune", ratio=0.098)` keeps 9.8 % with one method, `select_all` with
# several. The lit patches are what the language model gets to see:

# %%
chosen = select_all(sample, ratio=RATIO)
table = ota.compare(sample, ratio=RATIO)
overlays(sample, chosen, notes={name: f"$W_2$ {table.loc[name, 'w2']:.2f}" for name in chosen})

# %% [markdown]
# | method | idea |
# |---|---|
# | `otprune` | greedy maximum of the log-determinant surrogate (notebook 2), gamma as in the released code |
# | `otprune-paper` | the same with the paper's own gamma, which depends on how many tokens are kept |
# | `divprune` | greedy: the token farthest from those kept, by cosine distance |
# | `dpp` | greedy MAP of a determinantal point process with the cosine kernel |
# | `random`, `uniform` | a random set, an even stride |
# | `first`, `last` | the top, the bottom of the image |
# | `kmedoids` | smallest quantisation error: every token has a kept one nearby |
# | `ot-medoids` | a local minimum of the exact distance itself |
#
# Before you read on, guess from the pictures: which three are the closest to all tokens? Which would you want if the
# question is about a small object?
#
# ## Distances
#
# Four views of the same sets. `w2` gives every kept token the same mass. `quantisation_error` (squared) lets it carry
# any mass. `kept_second_moment` is the mean squared length of what is kept, and `logdet` the surrogate that OTPrune
# maximises.

# %%
view = table[["w2", "over_floor", "quantisation_error", "kept_second_moment", "logdet"]]
view.style.format("{:.2f}").background_gradient(cmap="viridis_r", subset=["w2", "quantisation_error"])

# %% [markdown]
# `over_floor` is $W_2^2$ divided by a number that **no** kept set of this size can go below. It is proven for the tokens
# at hand (a Lagrangian bound, evaluated with its rounding taken off). So a method at 1.2 is at most 20 % above the best
# possible square, whoever finds it. The search for the floor also meets good sets; the best possible lies between the two:

# %%
floor = ota.wasserstein2_floor(sample.tokens, chosen["otprune"].keep)
print(f"proven floor of W2 squared: {floor.squared_distance:.4f}")
print(f"closest set met:            {floor.best.squared_distance:.4f}")
print(f"still open:                 {floor.gap:.1%}")

# %% [markdown]
# The floor is a claim; its multipliers are the proof. Evaluate the bound again from them alone. With wrong multipliers
# it stays a bound, only a worse one:

# %%
keep = chosen["otprune"].keep
again = ota.lagrangian_bound(
    sample.tokens, keep, floor.multipliers, cuts=floor.cuts, cut_prices=floor.cut_prices
)
wrong = ota.lagrangian_bound(sample.tokens, keep, floor.multipliers[::-1])
print(f"from the multipliers: {again:.4f}; with the multipliers reversed: {wrong:.4f}")

# %% [markdown]
# ## Twenty methods, by what they work for
#
# The ten above are those of the README's tables. `ota.SELECTORS` has more of them, from the literature on pruning and
# from numerical linear algebra, and each says what it works for:

# %%
objectives = pd.Series({name: ota.SELECTORS[name].objective for name in TOKEN_METHODS}, name="objective")
objectives.to_frame().style.set_properties(**{"text-align": "left"})

# %% [markdown]
# `objective_value` measures any kept set on the objective of any method, the larger the better. Below, a row is what one
# method keeps, a column the objective of one, and the number a place: 1 is the best of the twenty. A greedy method need
# not find the best of its own objective; look along the diagonal. Controls and DART optimise no function of the kept
# set, so they have no column.

# %%
values = objective_values(sample, ratio=RATIO)
places = values.rank(ascending=False, method="min").astype(int)
places.style.background_gradient(cmap="viridis_r")

# %% [markdown]
# Read two columns against each other, those of `kmedoids` (coverage) and `ot-medoids` (matching): which methods are good
# at one and bad at the other? Which of the two goes with the answer of a model is what notebook 4 asks.
#
# ## Your own selector
#
# A selector is a frozen dataclass with a name and a method that picks. That is all; then it goes wherever a method's name
# goes. This one lays the tokens in a line, such that similar ones are neighbours (the leaves of a dendrogram), and takes
# an even stride along it: `uniform`, but in the order of likeness.


# %% tags=["own-selector"]
@dataclass(frozen=True)
class Stretches(Selector):
    name = "stretches"

    def pick(self, image, keep, generator):
        line = leaves_list(ward(image.tokens))
        middles = (2 * np.arange(keep) + 1) * len(line) // (2 * keep)
        return line[middles]


# %% [markdown]
# - `image` holds the checked tokens, and what all selections of them share, each made once: `image.squared_distances`,
#   `image.gram`, `image.normalised("rows")`.
# - `nested = True`: are the first picks of a larger selection the smaller selection? Then one run serves all ratios.
# - `stochastic = True`: does it draw from `generator`? Then every seed is a run of its own.
#
# How does it do?

# %%
ours = ota.compare(sample, [*chosen, Stretches()], ratio=RATIO)
random = random_distances(sample, keep, draws=100)
draw_against_random(random["w2"], ours["w2"].to_dict(), floor=floor.distance)

# %%
place, times = list(ours.index).index("stretches") + 1, ours.loc["stretches", "over_floor"]
print(f"place {place} of {len(ours)} on this image, at most {times:.2f} times the best possible W2 squared")

# %% [markdown]
# One image is one image. Enter it in a sweep over three benchmarks with different scenes. The result is kept in
# `results`; when you edit the selector, only the selector is measured again.

# %%
dumps = bundled_dumps(benchmarks=["digit-colour", "count-digits", "mosaic-majority"])
methods = ("otprune", "divprune", "random", "uniform", "kmedoids", "ot-medoids", Stretches())
rows = read_sweep(
    sweep(dumps, methods=methods, ratios=(0.05, RATIO, 0.2), limit=3, out="results", progress=False)
)
rows.pivot_table(index="method", columns="ratio", values="w2").sort_values(RATIO).round(3)

# %%
relative = figure4_table(rows)
draw_figure4(relative)

# %%
Markdown(caption4(relative))

# %% [markdown]
# A small distance is not a high score (notebook 4). But now you can ask the question about *your* idea.
#
# ## Play
#
# The explorer shows two methods side by side. Move the share of tokens, change gamma, switch the normalisation; point at
# a kept patch to see the patches whose mass it takes, click to hold it. Distance and surrogate answer at once, the
# certified floor and the curve follow. Your selector is in the list.

# %%
explorer = Explorer(dump, selectors=[Stretches()], methods=("otprune", "stretches"), ratio=RATIO)
explorer

# %% [markdown]
# What you see is a state, and it can be set from code: `explorer.move(sample=2, ratio=0.2)` moves the panel above,
# `explorer.figure()` returns it as a figure for a paper.
#
# ## Exercises
#
# 1. `Stretches` takes the middle of every stretch of the line. Take the token nearest to the mean of its stretch
#    instead. Does it beat `ot-medoids`?
# 2. `norm` keeps the longest tokens. Compare its `logdet` with that of `otprune`, and its `w2`. Then write a selector that
#    keeps the shortest.
# 3. Write a stochastic one that draws twenty random sets and keeps the one whose mean token is nearest to the mean of all.
#    Which share of the way from random down to the floor does it go?
# 4. Give `Stretches` a field, `linkage: str = "ward"`, and sweep several linkages as selectors with names of their own.
# 5. Which method is closest on `mosaic-majority`, a scene without background? Why do the methods lie closer together
#    there?

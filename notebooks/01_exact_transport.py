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
# # 1. Exact transport: which token carries whose mass
#
# **What you will learn**
#
# - what it means that a few kept tokens stand for all tokens of an image, drawn on the image;
# - how the 2-Wasserstein distance is computed exactly, and how to check it without trusting the solver;
# - why random kept sets are hard to beat, and how far below them any set can get at all.
#
# A vision-language model such as LLaVA turns an image into hundreds of *visual tokens*, vectors that its language model
# reads. Most can be dropped. OTPrune ([arXiv:2602.20205](https://arxiv.org/abs/2602.20205)) proposes to keep those
# whose distribution is closest to that of all tokens, measured by optimal transport. Everything here runs on a tiny
# model that comes with the package: same code path as LLaVA, synthetic scenes of real handwritten digits, no GPU.

# %%
# %matplotlib inline
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import otanalysis as ota
from otanalysis.explore import overlay, overlays, plan_arrows
from otanalysis.figures import draw_against_random, use_paper_style
from otanalysis.studies.compare import random_distances, select_all
from otanalysis.transport.exact import verify_transport

use_paper_style()
plt.rcParams["figure.dpi"] = 120

# %% [markdown]
# ## An image and its tokens
#
# A *dump* holds the tokens of many images. Here is one image, and the question that the model is asked about it. If the
# dump has no picture, the tokens are drawn instead: their three principal components as red, green and blue.

# %%
dump = ota.open_bundled("digit-colour")
sample = dump[0]
m, d = sample.tokens.shape
print(f"{m} tokens of {d} numbers, on a grid of {sample.grid[0]} x {sample.grid[1]} patches")
print(f"question: {sample.extra['question']}   answer: {sample.extra['answer']}")
overlay(sample, np.arange(m))

# %% [markdown]
# ## By hand: four tokens on a line
#
# Tokens at 0, 1, 4 and 5; keep those at 0 and 4. All four have mass 1/4, the kept ones must end up with 1/2 each. Token 1
# moves to 0 and token 5 to 4, one unit each, so a total of $\tfrac14 \cdot 1^2 + \tfrac14 \cdot 1^2$ squared units:

# %%
line = ota.wasserstein2([[0.0], [1.0], [4.0], [5.0]], [0, 2])
print("W2 squared:", line.squared_distance)
print(line.plan)

# %% [markdown]
# The matrix is the *plan*: entry $(i, j)$ is how much mass token $i$ sends to kept token $j$. Rows sum to $1/m$, columns
# to $1/k$.
#
# ## The same on the image
#
# Keep every tenth token or so, evenly spaced in reading order (`uniform`), and draw the plan. Each arrow is mass on its
# way to the kept patch that will stand for it.

# %%
kept = ota.select(sample.tokens, "uniform", ratio=0.098)
transport = ota.wasserstein2(sample.tokens, kept.indices)
print(f"{kept.keep} of {m} kept, W2 = {transport.distance:.3f}")
plan_arrows(sample, kept, transport=transport)

# %% [markdown]
# Transport knows nothing of places, though neighbours are often alike: most arrows are short and some cross half the
# image. A patch sends its mass to the kept patch whose *token* is closest, as far as there is room; each kept patch
# takes exactly $m/k$ patches' worth. Follow one kept patch, the one whose mass costs most:

# %%
cost = ota.squared_distances(sample.tokens)
shares = transport.plan * cost[:, kept.indices]
dearest = int(kept.indices[shares.sum(axis=0).argmax()])
plan_arrows(sample, kept, transport=transport, kept=dearest)

# %%
column = transport.plan[:, list(kept.indices).index(dearest)]
served = np.flatnonzero(column)
pd.DataFrame(
    {
        "token": served,
        "share of its mass": column[served] * m,
        "squared distance": cost[served, dearest],
        "adds to W2 squared": column[served] * cost[served, dearest],
    }
).sort_values("adds to W2 squared", ascending=False).round(3).reset_index(drop=True)

# %%
top = shares.sum(axis=1)
largest = np.sort(top)[::-1]
print(f"The dearest tenth of the tokens makes {largest[: m // 10].sum() / top.sum():.0%} of W2 squared.")

# %% [markdown]
# A token that no kept one resembles is dear, and so is every token of a group that got fewer kept ones than its size
# deserves: the rest must go to strangers. That second kind is easily forgotten, and it will matter below.
#
# ## Do not trust the solver
#
# Why believe that no plan is cheaper? Because of prices. Give every token $i$ a price $u_i$ and every kept token a price
# $v_j$, such that no pair is paid more than its cost, $u_i + v_j \leq c_{ij}$. Then *any* plan costs at least the mean
# of $u$ plus the mean of $v$. If prices are found whose value equals the cost of the plan, both are optimal, and nobody
# needs to ask how they were found.

# %%
u, v = transport.potentials
slack = cost[:, kept.indices] - u[:, None] - v[None, :]
print(f"cost of the plan      {transport.squared_distance:.12f}")
print(f"value of the prices   {u.mean() + v.mean():.12f}")
print(f"largest overcharge    {max(0.0, float(-slack.min())):.1e}")
print(f"slack where mass moves {float(slack[transport.plan > 0].max()):.1e}")

# %% [markdown]
# The last line is complementary slackness: mass only moves where the price equals the cost. `wasserstein2` checks all
# this on every call and raises if it fails. `verify_transport` does it once more, from the tokens alone:

# %%
found = verify_transport(sample.tokens, transport)
print(f"W2 squared lies in [{found.lower:.12f}, {found.upper:.12f}]; sound: {found.sound}")

# %% [markdown]
# A check that accepts everything is no check. So break the proof: blur the prices by a thousandth, claim a thousandth
# less, or shuffle the plan.

# %%
noise = np.random.default_rng(0).standard_normal(m)
broken = {
    "blurred prices": replace(transport, potentials=(u * (1 + 1e-3 * noise), v)),
    "a smaller distance claimed": replace(transport, squared_distance=0.999 * transport.squared_distance),
    "rows of the plan reversed": replace(transport, plan=transport.plan[::-1]),
}
pd.DataFrame({name: vars(verify_transport(sample.tokens, wrong)) for name, wrong in broken.items()}).T.assign(
    sound=[verify_transport(sample.tokens, wrong).sound for wrong in broken.values()]
)

# %% [markdown]
# ## Why random is hard to beat
#
# Now the methods, on this image, beside random sets of the same size. The floor is a certificate too: it is proven that
# **no** set of this size is closer (see `otanalysis.wasserstein2_floor`).

# %%
table = ota.compare(sample, ratio=0.098)
random = random_distances(sample, kept.keep)
floor = ota.wasserstein2_floor(sample.tokens, kept.keep)
draw_against_random(random["w2"], table["w2"].to_dict(), floor=floor.distance)

# %%
beaten = {name: float((random["w2"] > value).mean()) for name, value in table["w2"].items()}
table[["w2", "over_floor"]].assign(**{"share of random sets beaten": beaten}).round(2)

# %% [markdown]
# A random set is an honest sample. A group with a fifth of the tokens gets about a fifth of the kept ones, whatever the
# group looks like, so little mass has to go to strangers. A method with a taste, for long tokens, for the top of the
# image, for what differs most from the rest, gives some groups more than their share, and the others' mass has to
# travel. To beat random one must be *more* proportional than chance, which is what `ot-medoids` works for: it minimises
# the distance itself.
#
# Look at what the farthest and the closest sets keep:

# %%
chosen = select_all(sample, ["otprune", "random", "ot-medoids"], ratio=0.098)
overlays(sample, chosen, notes={name: f"$W_2$ {table.loc[name, 'w2']:.2f}" for name in chosen})

# %% [markdown]
# OTPrune keeps the objects. That may be just what the question needs (its score is another matter, see notebook 4), but
# it is not what the distance asks for: most of the tokens are background.
#
# How does the distance of random sets shrink as more is kept?

# %%
sizes = (9, 18, 36, 72, 144, 288)
many = random_distances(sample, sizes, draws=20).groupby("keep")["w2"].agg(["mean", "std"])
many.assign(share=many.index / m, **{"ratio to the row above": many["mean"] / many["mean"].shift()}).round(3)

# %% [markdown]
# Twice as many tokens do not halve the distance. In $D$ dimensions the error of a sample falls like $k^{-1/D}$, and
# though the tokens have far fewer effective dimensions than numbers, they have more than one.
#
# ## What to take away
#
# - $W_2$ punishes a kept set for being *disproportionate*, not only for leaving things out.
# - An exact distance comes with a proof that takes a line to check.
# - Random sets are a strong baseline in this distance. Ask of every method: how many random sets does it beat, and how
#   far is it from the floor?
#
# ## Exercises
#
# 1. Take another image (`dump[3]`) and another benchmark (`ota.open_bundled("mosaic-majority")[0]`). Which methods beat
#    random on all of them?
# 2. On four tokens on a line, find by hand the pair that is closest to all four. Check it with `wasserstein2`, then with
#    `wasserstein2_floor([[0.0], [1.0], [4.0], [5.0]], 2)`.
# 3. Let the kept tokens carry any mass: `ota.quantisation_error(sample.tokens, kept.indices)`. How do the methods rank
#    now? Which of them gains most, and why?
# 4. Duplicate an object: append 200 copies of one token to `sample.tokens`. What happens to the distance of the same
#    kept set, and what would restore it?
# 5. Find a kept set that beats `ot-medoids` on this image. The floor says how much there is to gain at most.

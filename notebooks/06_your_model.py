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
# # 6. Your model: capture, prune, score, draw
#
# **What you will learn**
#
# - the four commands between a model on a GPU and the figures of these notebooks;
# - how to run a model on the kept tokens, and how to see that it really did;
# - how scores of lmms-eval come into the table that the figures read;
# - what is checked on the way, and what you have to check.
#
# Everything below runs on the bundled model, on the CPU, in about a minute. The lines are those for a real one: put
# `llava-hf/llava-1.5-7b-hf` in place of `MODEL` and your pictures in place of the bundled scenes. Only the questions of
# section 3 are different, and it says how.

# %%
# %matplotlib inline
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Image, Markdown

import otanalysis as ota
from otanalysis.explore import Explorer, overlays
from otanalysis.figures import use_paper_style
from otanalysis.mini import bundled_model_path, write_pictures, write_results
from otanalysis.scores import read_accuracy
from otanalysis.studies import evaluate
from otanalysis.vlm import Pruned, load_model, try_pruning

use_paper_style()
plt.rcParams["figure.dpi"] = 120

PYTHON = sys.executable
MODEL = bundled_model_path()
WORK = Path("results/your-model")
BENCHMARKS = ("digit-colour", "count-digits")
METHODS = ("first", "last", "uniform", "random", "divprune", "otprune")
RATIO = 0.098

# %% [markdown]
# Pictures and questions. Yours are a folder of images, a list in JSON lines (`{"image": ..., "id": ...}`), or a data set;
# here the first scenes of two of the bundled benchmarks are written as such lists.

# %%
lists = {name: write_pictures(WORK / "pictures" / name, name, 4) for name in BENCHMARKS}
print(lists["digit-colour"].read_text().splitlines()[0])

# %% [markdown]
# ## 1. Capture the tokens
#
# One dump a benchmark. In a terminal the line begins with `otanalysis`; here `python -m otanalysis` is the same. A capture
# that is stopped goes on where it was; a finished one is left alone, so that this cell may run twice.

# %%
# !{PYTHON} -m otanalysis capture --model {MODEL} --images {lists["digit-colour"]} --out {WORK}/dumps/digit-colour --thumbnails --quiet
# !{PYTHON} -m otanalysis capture --model {MODEL} --images {lists["count-digits"]} --out {WORK}/dumps/count-digits --thumbnails --quiet

# %% [markdown]
# What is in it? The manifest says how the tokens came about; `verify` reads every byte and compares checksums.

# %%
# !{PYTHON} -m otanalysis verify {WORK}/dumps/digit-colour

# %%
dump = ota.open_dump(WORK / "dumps" / "digit-colour")
manifest = dump.manifest
pd.Series(
    {
        "model": manifest.model,
        "revision": manifest.revision[:12],
        "benchmark": manifest.benchmark,
        "samples": len(dump),
        "grid": manifest.grid,
        "dtype": manifest.dtype,
    }
)

# %% [markdown]
# Capturing is where most mistakes happen: another layer, tokens before the projector, a wrong preprocessor. Compare with
# tokens that you trust: those of another program. Of the bundled model there are some here:

# %%
trusted = ota.open_bundled("digit-colour")
same = manifest.revision[:12] == trusted.manifest.revision[:12]
largest = max(
    (np.abs(one.tokens - trusted.sample(one.id).tokens).max() for one in dump if same), default=np.nan
)
scale = np.abs(trusted[0].tokens).max()
print(
    f"largest difference {largest:.1e}, tokens up to {scale:.1f} (captured in {manifest.dtype}); nan: another model"
)

# %% [markdown]
# ## 2. Run the model on the kept tokens
#
# `Pruned` wraps any supported model. Inside the `with` block `generate` and the model's call are as ever, but the language
# model sees the kept tokens only. First the whole thing in one call, a question asked twice:

# %%
vlm = load_model(MODEL)
sample = dump[0]
trial = try_pruning(
    vlm, sample.thumbnail, sample.extra["question"], selector="otprune", ratio=RATIO, max_new_tokens=4
)
print("question:        ", sample.extra["question"], " (answer:", sample.extra["answer"] + ")")
print("with all tokens: ", trial.full.text)
print("with the kept:   ", trial.pruned.text)
print(trial.call)

# %% [markdown]
# The last lines matter. Users of released pruning codes could not tell whether pruning had happened at all; here the call
# says what was kept, and one can look:

# %%
answers = {
    name: try_pruning(
        vlm, sample.thumbnail, sample.extra["question"], selector=name, ratio=RATIO, max_new_tokens=4
    )
    for name in METHODS
}
overlays(
    sample,
    {name: one.image.indices for name, one in answers.items()},
    notes={name: f"says: {one.pruned.text}" for name, one in answers.items()},
    columns=6,
)

# %% [markdown]
# On the command line: `otanalysis try --model MODEL --image I --question Q --method otprune --ratio 0.098`.
#
# And the control: keeping *all* tokens must give the same numbers as the model without any wrapper, bit for bit. If it
# does not for your model, stop here.

# %%
inputs = vlm.processor(
    images=sample.thumbnail, text="<image> " + sample.extra["question"], return_tensors="pt"
)
plain = vlm.model(**inputs).logits
with Pruned(vlm.model, "full") as pruned:
    wrapped = vlm.model(**inputs).logits
print("bit for bit the same:", bool((plain == wrapped).all()))
print(pruned.last)

# %% [markdown]
# ## 3. Scores
#
# On a GPU, with `pip install otanalysis[lmms-eval]`, each setting is one line:
#
# ```sh
# lmms-eval --model otanalysis_hf --tasks gqa,pope --output_path runs/otprune \
#     --model_args pretrained=llava-hf/llava-1.5-7b-hf,method=otprune,ratio=0.098,gamma=0.01
# ```
#
# The bundled model has its own questions, which lmms-eval does not know. So they are asked here, and the scores are
# written in the form in which lmms-eval leaves them, one results file a setting. Few questions: mind the standard errors.

# %%
measured = evaluate(
    MODEL,
    benchmarks=BENCHMARKS,
    methods=METHODS,
    ratios=(RATIO,),
    questions=24,
    out=WORK / "measured.csv",
    parts=WORK / "parts",
    progress=False,
)
files = write_results(measured, WORK / "runs", model=str(MODEL))
print(*(file.relative_to(WORK) for file in files), sep="\n")

# %% [markdown]
# The import reads folders of such files, of today's lmms-eval, of the older copy in the released OTPrune code, of
# VLMEvalKit, and plain CSV. It knows the headline metric of the eleven usual tasks; for others `--metric` names it. What
# a file records of its run, method and ratio, needs no option, and may not be contradicted.

# %%
# !{PYTHON} -m otanalysis accuracy import {WORK}/runs --model {MODEL.name} --metric digit-colour=exact_match --metric count-digits=count_score --out {WORK}/accuracy.csv

# %%
accuracy = read_accuracy(WORK / "accuracy.csv")
accuracy.pivot_table(index="method", columns="benchmark", values="value").round(3)

# %% [markdown]
# ## 4. Figures
#
# The same command as for the bundled figures, with your dumps and your table. Where a score is missing it says which, and
# for which method and ratio; the distances are drawn regardless.

# %%
# !{PYTHON} -m otanalysis.figures --only 2,4 --dumps {WORK}/dumps/digit-colour {WORK}/dumps/count-digits --accuracy {WORK}/accuracy.csv --out {WORK}/figures --results {WORK} --quiet

# %%
Image(WORK / "figures" / "figure2.png", width=825)

# %%
Markdown((WORK / "figures" / "captions.md").read_text().split("\n\n|")[0])

# %%
Image(WORK / "figures" / "figure4.png", width=825)

# %% [markdown]
# Two benchmarks, a few pictures and questions prove nothing, and the caption says so in its own words. The point is
# that nothing in these lines knows that the model was small.
#
# ## Look around
#
# The explorer opens any dump:

# %%
Explorer(dump, methods=("otprune", "divprune"), ratio=RATIO)

# %% [markdown]
# ## Exercises
#
# 1. Capture at another layer (`--layer -1`, and `--benchmark digit-colour-last` for another name). Which methods change
#    their choice most, and does the ladder of notebook 2 look different?
# 2. Ask all pictures with `try_pruning` and count how often `otprune` and `uniform` answer right. How many pictures
#    would you need to tell them apart?
# 3. Give the import a wrong ratio (`--ratio 0.2`) or a results file twice with one digit changed. What does it say?
# 4. Keep your own selector from notebook 3: `Pruned(vlm.model, Stretches(), ratio=0.098)`. Does the model answer better
#    with it than with a random set?
# 5. With a GPU: the README has the path for LLaVA-1.5-7B in a few lines. Before you look at Figure 2, write down what
#    you expect of it.

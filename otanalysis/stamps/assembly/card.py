"""The card of an assembled model: what it is made of, where that comes from, and under which licences."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from otanalysis.stamps.assembly.adapter import Adapter
from otanalysis.stamps.assembly.parts import PackagedPart


def model_card(parts: Sequence[PackagedPart], adapter: Adapter, *, name: str, parameters: int) -> bytes:
    """Return the card, ``README.md``, of a model that was assembled from parts.

    Parameters
    ----------
    parts : sequence of PackagedPart
        What was read out of packages.
    adapter : Adapter
        What joins them.
    name : str
        Of the model.
    parameters : int
        How many it has.
    """
    made = ", ".join(f"{package} {version(package)}" for package in ("otanalysis", "torch", "transformers"))
    rows = [
        f"| {part.holds} | `{part.member}` of {part.package} {part.version} | {part.licence} | "
        f"`{part.member_sha256}` |"
        for part in parts
    ]
    rows.append(
        f"| projector and LoRA: the adapter `{adapter.name}` | otanalysis | Apache-2.0 | `{adapter.sha256}` |"
    )
    filled = {"parameters": parameters, "parts": "\n".join(rows), "made": made}
    return _CARD.format(name=name, adapter=adapter, **filled).encode()


_CARD: Final = """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
---
# {name}

A small LLaVA ({parameters:,} parameters) of pretrained parts, assembled by `otanalysis assemble {name}`: a
DINOv2 in front of a SmolLM2-Instruct, joined by a projector and LoRA, which is merged. It exists so that
visual-token pruning can be studied on parts that saw the world before, beside the bundled model that reads
digits. 336 x 336 pixels are 24 x 24 = 576 tokens, from the second to last layer, without that of the class.
Weights are stored in float16 and loaded in float32, in which a CPU is faster.

| part | from | licence | SHA-256 |
|---|---|---|---|
{parts}

Made with {made}.

**Prompts.** `<|im_start|>user\\n<image>\\nQUESTION<|im_end|>\\n<|im_start|>assistant\\n`, as the processor's
chat template makes them; there is no system message. Answers are short and end with `<|im_end|>`.

**The adapter** `{adapter.name}` is {adapter.trained_on}.

**What the adapters of otanalysis know.** Eleven kinds of questions, worded as in training, about scenes of
190 photographs of objects with 139 names, the same in training and test, from Debian's
`tuxpaint-stamps-default` (GPL-2), none of which is here. They are of no use for anything else.
"""

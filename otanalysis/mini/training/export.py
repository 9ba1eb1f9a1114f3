"""Write the trained model as a folder in Hugging Face format, float16, with its curve and its card."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

from safetensors import SafetensorError
from transformers import LlavaForConditionalGeneration

from otanalysis.errors import StorageError
from otanalysis.files import storing, write_together
from otanalysis.locks import held
from otanalysis.mini.training.architecture import build_processor


def export(
    model: LlavaForConditionalGeneration, work: Path, out: Path, *, seed: int, wait: bool = False
) -> None:
    """Write weights, processor, model card and training curve to ``out``.

    Parameters
    ----------
    model
        The trained model; it is left in float16.
    work
        The folder in which :func:`~otanalysis.mini.training.train.train` left ``training.csv``, its
        ``training_folder``.
    out
        The model folder.
    seed
        The seed of the training, for the card.
    wait
        Wait for another process that writes into ``out``, in place of refusing.

    Raises
    ------
    StorageError
        If there is no room for all of it, and nothing is written; or another process writes there.
    """
    parameters = sum(parameter.numel() for parameter in model.parameters())
    card = _CARD.format(seed=seed, parameters=parameters, curve=_held_out(work / "training.csv"))
    files = {
        **_saved(model),
        "training.csv": (work / "training.csv").read_bytes(),
        "README.md": card.encode(),
    }
    with held(out, "writing the model", wait=wait):
        write_together(out, files)


def _saved(model: LlavaForConditionalGeneration) -> dict[str, bytes]:
    """Return the files of model and processor, by name."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        try:
            with storing(place):
                model.cpu().half().save_pretrained(place)
                build_processor().save_pretrained(place)
        except SafetensorError as error:
            raise StorageError(
                f"The model cannot be written into {place} ({error}): free some space."
            ) from error
        return {path.name: path.read_bytes() for path in sorted(place.iterdir())}


def _held_out(curve: Path) -> str:
    """Return the held-out rows of the curve as a Markdown table."""
    with curve.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if "-held-out" in row["stage"]]
    lines = [f"| {row['stage'].replace('-held-out', '')} | {float(row['accuracy']):.3f} |" for row in rows]
    return "\n".join(["| after stage | held-out accuracy |", "|---|---|", *lines])


_CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
---
# mini-llava

A very small LLaVA ({parameters:,} parameters) that reads scenes of real handwritten digits: `CLIPVisionModel`
(24 x 24 patches of 8 pixels), a two-layer projector and `LlamaForCausalLM`, in transformers'
`LlavaForConditionalGeneration`. It exists so that visual-token pruning can be studied end to end on a laptop,
through exactly the code that a full-size LLaVA goes through. It is of no use for anything else.

```python
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained("data/mini-llava")
processor = AutoProcessor.from_pretrained("data/mini-llava")
```

**Training data.** Scenes composed by `otanalysis.mini` from the first 1,200 images of scikit-learn's
`load_digits` (UCI optical recognition of handwritten digits, CC BY 4.0); evaluation uses the other 597.
**Training.** `make train-mini`, seed {seed}: the vision tower learns what every patch belongs to, then the
projector and the language model learn to answer, first from object-rich subsets of the tokens, then from all
tokens only. `training.csv` is the curve: a row every 100 steps, and held-out rows after each stage.
Held-out accuracy after a vision stage is the share of digit patches of whole scenes that are named right
(the stages on crops have not seen whole scenes); after a language stage the share of answers with every word
right, each given the true words before it, from as many tokens as the stage trained on.

{curve}

**Accuracy with kept tokens.** `accuracy.csv`, made by `make evaluate`, which measures what it lacks;
`accuracy.provenance.json` says with which versions.
"""

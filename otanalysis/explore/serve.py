"""What the other process of :mod:`~otanalysis.explore.worker` runs: it calls what it is sent.

A script that loads nothing of the package by itself. Each request is a pickled function with its arguments,
each answer whether it went well and what came of it. The process leaves when its requests end, as they do
when the process that asks is gone.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import BinaryIO


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests, one after the other, until there are no more."""
    while True:
        try:
            function, arguments, named = pickle.load(requests)
        except EOFError:
            return
        try:
            answer = (True, function(*arguments, **named))
        except Exception as error:
            answer = (False, error)
        answers.write(pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL))
        answers.flush()


if __name__ == "__main__":
    # Who looks at the panel goes first where there are not enough cores.
    if hasattr(os, "nice"):
        os.nice(10)
    # What a library prints must not come between the answers.
    own = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, own)

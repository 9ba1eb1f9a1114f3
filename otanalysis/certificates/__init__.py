"""How far a kept set is from the best possible one, proven for the tokens at hand.

May import errors, tokens, transport, surrogate and selection.
"""

from otanalysis.certificates.certify import Certificate, certify

__all__ = ["Certificate", "certify"]

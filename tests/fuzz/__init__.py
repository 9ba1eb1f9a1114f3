"""Hostile input, by the thousand: nothing may come of it but a sound result or an error of ours.

``python -m tests.fuzz.calls`` makes calls of the public functions, ``python -m tests.fuzz.files`` damages
files; ``make fuzz`` runs 20,000 of each.
"""

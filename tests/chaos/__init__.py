"""Kills, stops, two at once, disks that refuse and flipped bits: what of the program survives.

``python -m tests.chaos`` tries everything and prints what was tried and survived; ``make chaos`` runs it.
"""

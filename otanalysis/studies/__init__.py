"""Experiments: dumps and models in, tidy tables out; long ones run in parallel and go on where they stopped.

May import every room but figures, explore and the command line.
"""

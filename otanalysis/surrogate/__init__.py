"""Room of otanalysis: surrogate."""

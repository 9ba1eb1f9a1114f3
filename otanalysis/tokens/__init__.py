"""Room of otanalysis: tokens."""

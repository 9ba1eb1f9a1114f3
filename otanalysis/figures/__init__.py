"""Room of otanalysis: figures."""

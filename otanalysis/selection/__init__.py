"""Room of otanalysis: selection."""

"""Room of otanalysis: scenes."""

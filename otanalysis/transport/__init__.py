"""Room of otanalysis: transport."""

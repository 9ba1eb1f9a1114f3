"""Room of otanalysis: experiments."""

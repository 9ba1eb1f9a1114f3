"""Room of otanalysis: vlm."""

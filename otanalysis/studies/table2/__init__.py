"""Table 2 of arXiv:2602.20205 on every rung: token laws, trials, and the best subset of a rung."""

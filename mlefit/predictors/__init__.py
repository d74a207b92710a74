"""Where the scores of each observation come from: a constant, a linear predictor, a network."""

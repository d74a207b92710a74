"""From a sample to a fit that can be believed: estimates, errors, limits, certificates."""

"""Minimisers. They see a function of a parameter vector, never data."""

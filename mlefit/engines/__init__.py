"""Engines fold sums over the parts of a sample: in this process, or on a Dask cluster."""

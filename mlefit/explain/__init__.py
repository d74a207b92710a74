"""Teaching: a text for every family and loss (`families/*.toml`, `losses/*.toml`), and examples worked at run time."""

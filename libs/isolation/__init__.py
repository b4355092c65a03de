"""Functions over foreign bytes, in processes that can do nothing else (docs/decisions/0050-isolation.md)."""

"""One rewrite rule per file, named verb and object. See `optimizer/batches.py` for their order."""

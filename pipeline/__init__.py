"""The method: masks, cluster trees, search, sampling, decisions, propagation. No Django, no database, no network."""

"""The method: masks, trees, search, sampling, decisions, propagation. No Django, no database, no network."""

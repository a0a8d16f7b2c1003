"""Servers that stand in for marketplaces: they speak the same protocol, and know nothing of this site's code."""

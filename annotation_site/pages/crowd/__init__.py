"""A simulated crowd: programs that work through the pages and the API as people do."""

"""How each language writes dates: as all pages do, a day before its month and 24 hours."""

"""Who changed what, when, from what to what: kept by the database itself."""

"""What came of a project: the verified dataset, and the report on it."""

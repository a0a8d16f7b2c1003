"""What comes before a worker's first HIT: consent, lessons by real masks, and the test."""

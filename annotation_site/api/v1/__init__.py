"""The API of those who run projects: what their pages do, for programs."""

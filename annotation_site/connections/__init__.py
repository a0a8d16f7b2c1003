"""Connections to Postgres that outlive a request."""

"""Telling other programs what happens on a project: written down with the change, sent by workers."""

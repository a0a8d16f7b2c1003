"""Experiments that train detectors, on generated scenes whose truth is exact."""

"""The paper's experiments, each one command: python -m pipeline.experiments NAME."""

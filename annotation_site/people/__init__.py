"""Workers, gold questions, standing."""

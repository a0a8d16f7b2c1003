"""What workers see."""

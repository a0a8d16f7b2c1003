"""What project admins see."""

"""Projects, images, predicted masks and their trees."""

"""The site: what is stored, who may see what, what happens when."""

"""What can be done with a project, subject by subject; `ProjectClient` has all of it."""

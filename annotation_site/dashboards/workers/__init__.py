"""Pages on who answers: all of a project, one of them with every answer, and what is done about them."""

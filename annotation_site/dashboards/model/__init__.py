"""The model page of a project: choosing a model, watching it learn, seeing how good it is, choosing K_pa."""

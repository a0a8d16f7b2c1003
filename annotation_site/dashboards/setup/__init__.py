"""Setting up a project in the browser: images, categories, parameters, stages, budget, step by step."""

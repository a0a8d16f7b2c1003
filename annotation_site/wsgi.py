"""The WSGI entry point for gunicorn."""

import gc
import os

import numpy as np
from django.core.wsgi import get_wsgi_application
from django.urls import resolve

from pipeline.masks import encode, outline

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation_site.settings")
application = get_wsgi_application()

resolve("/")  # Imports every page now, not at the first request.
outline(encode(np.ones((1, 1), dtype=bool)))  # Compiles what draws masks, or finds it.
# What is there now stays: a collection that looked through these 300,000 objects stopped every request of the
# process for some 0.2 s.
gc.collect()
gc.freeze()

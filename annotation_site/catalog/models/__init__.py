"""What is labelled: projects, their images, and per round the predicted masks in their trees."""

from annotation_site.catalog.models.images import Annotation, Image, ImageCount, OutlinedObject, Role
from annotation_site.catalog.models.masks import KnownObject, Mask, Replacement, Tree
from annotation_site.catalog.models.projects import SHARE, Category, Project
from annotation_site.catalog.models.rounds import DetectionShard, OfferedPredictions, Round, StageRun

__all__ = [
    "SHARE",
    "Annotation",
    "Category",
    "DetectionShard",
    "Image",
    "ImageCount",
    "KnownObject",
    "Mask",
    "OfferedPredictions",
    "OutlinedObject",
    "Project",
    "Replacement",
    "Role",
    "Round",
    "StageRun",
    "Tree",
]

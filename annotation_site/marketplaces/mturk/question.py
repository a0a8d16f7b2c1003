"""The ExternalQuestion document: which page of ours stands in the marketplace's frame."""

from __future__ import annotations

from xml.etree import ElementTree

NAMESPACE = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2006-07-14/ExternalQuestion.xsd"
LARGEST = 65_535
"""Bytes that the marketplace takes."""
FITS_THE_WINDOW = "0"


class QuestionRefused(ValueError):
    """A document that the marketplace would not take."""


def external_question(url: str) -> str:
    """The document for a page, escaped as XML wants it.

    Raises
    ------
    QuestionRefused
        When the address is not https, or the document is too large.
    """
    if not url.startswith("https://"):
        raise QuestionRefused(f"Mechanical Turk frames pages over https only, and {url} is not one.")
    ElementTree.register_namespace("", NAMESPACE)
    root = ElementTree.Element(f"{{{NAMESPACE}}}ExternalQuestion")
    ElementTree.SubElement(root, f"{{{NAMESPACE}}}ExternalURL").text = url
    ElementTree.SubElement(root, f"{{{NAMESPACE}}}FrameHeight").text = FITS_THE_WINDOW
    document = ElementTree.tostring(root, encoding="unicode", xml_declaration=True)
    if len(document.encode()) > LARGEST:
        raise QuestionRefused(f"An ExternalQuestion has at most {LARGEST} bytes.")
    return document

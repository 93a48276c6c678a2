"""A run as a paper needs it: tables, a paragraph on methods, and the literature of what was used."""

from harness.report.paper.citations import Citation, citations
from harness.report.paper.methods import methods

__all__ = ["Citation", "citations", "methods"]

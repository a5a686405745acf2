"""Sphinx configuration: pages in Markdown, notebooks as guides, references generated from the code."""

from __future__ import annotations

import sys
from pathlib import Path

import reallot

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402  (a neighbour of this file)

project = "reallot"
author = "The reallot developers"
copyright = "the reallot developers"
version = release = reallot.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc"]
exclude_patterns = ["_build", "jupyter_execute", "**/.ipynb_checkpoints"]
default_role = "code"  # names in docstrings stand in single backticks
html_theme = "furo"
html_title = f"reallot {release}"
html_show_sourcelink = False
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
nitpicky = False
smartquotes = False  # what a page shows can be copied into a file, quotes and dashes included

nb_custom_formats = {".nb.py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True

autosummary_generate = False
numpydoc_show_class_members = False  # autodoc lists them, each with its docstring
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
# pages of the repository are shown as they are: with links for its reader, and a diagram as its text
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]

generate.write(HERE)

"""A linear program as data: named blocks, arrays, statuses, certificates. No word of the domain."""

from .blocks import Cells, Columns, Rows, cells, diagonal, unit_of
from .certificate import Certificate, certify
from .linear_program import LinearProgram
from .solution import Solution, Status

__all__ = [
    "Cells",
    "Certificate",
    "Columns",
    "LinearProgram",
    "Rows",
    "Solution",
    "Status",
    "cells",
    "certify",
    "diagonal",
    "unit_of",
]

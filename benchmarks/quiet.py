"""What other libraries print and warn about, kept out of the tables."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings, no log lines below errors, and nothing on the standard output, that of compiled code included."""
    before = logging.root.manager.disable
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stdout.flush()
        logging.disable(before)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)

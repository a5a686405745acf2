"""np.sort without AVX-512, in a fresh process: on some processors NumPy's sort for AVX-512 is the slower one."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import sys, time
import numpy as np
values = np.random.default_rng(0).random(int(sys.argv[1]))
np.sort(values)
for _ in range(int(sys.argv[2])):
    started = time.perf_counter()
    np.sort(values)
    print(time.perf_counter() - started)
"""


def seconds_without_avx512(size: int, repeats: int) -> float | None:
    """Median seconds of np.sort of `size` numbers; None where NumPy has no AVX-512 to switch off."""
    from numpy._core import _multiarray_umath as core

    found = getattr(core, "__cpu_features__", {})
    names = [name for name in getattr(core, "__cpu_dispatch__", []) if name == "X86_V4" or name.startswith("AVX512")]
    names = [name for name in names if found.get(name)]
    if not names:
        return None
    environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(names)}
    command = [sys.executable, "-c", SCRIPT, str(size), str(max(5, repeats))]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    times = sorted(float(line) for line in output.split())
    return times[len(times) // 2]

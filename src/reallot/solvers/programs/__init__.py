"""Backends for linear programs: HiGHS, SciPy and PuLP, and slopes of any optimum from its tangent program."""

"""Hypothesis profiles: HYPOTHESIS_PROFILE=dev (default), ci (more, and the same examples each time) or nightly."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("dev", max_examples=20, deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile("ci", max_examples=300, deadline=None, derandomize=True, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile("nightly", max_examples=3000, deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

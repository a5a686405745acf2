"""Benchmarks: how long decisions take, by backend and size, answers checked equal before any time is printed."""

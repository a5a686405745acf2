"""Exact paths for one period and one capacity: sorting, and a search over fees."""

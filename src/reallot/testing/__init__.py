"""Conformance suites for the adapters and backends of strangers."""

"""Arithmetic on plain arrays that the exact paths share; it knows no problem record."""

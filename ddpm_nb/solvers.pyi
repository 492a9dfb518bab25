# written by tools/export.py from solvers.py; do not edit
"""DPM-Solver++ and Heun: the same reverse process in ten to twenty network calls."""

__all__ = []

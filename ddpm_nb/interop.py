"""Moved in 0.2 to `ddpm_nb.app`; `ddpm_nb._moved` says where each name is."""

from ddpm_nb._moved import moved

__getattr__ = moved(__name__)

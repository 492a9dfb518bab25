"""An alias of `ddpm_nb`: `from ddpm_nb.all import *` brings the public names into a notebook."""

import ddpm_nb
from ddpm_nb import *  # noqa: F403

__all__ = ddpm_nb.__all__

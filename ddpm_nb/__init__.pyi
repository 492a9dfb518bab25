# written by tools/export.py from __init__.py; do not edit
"""Learn denoising diffusion by stepping through notebooks, then keep using the package.

Names are imported when they are first used (PEP 562), so that `import ddpm_nb` needs no torch.
"""

from .app.config import load_config as load_config
from .app.interop import from_diffusers as from_diffusers
from .app.interop import to_diffusers as to_diffusers
from .app.onnx import load_onnx as load_onnx
from .app.onnx import to_onnx as to_onnx
from .app.recipes import build as build
from .core import DDPMError as DDPMError
from .core import make_grid as make_grid
from .core import pick_device as pick_device
from .core import seed_everything as seed_everything
from .core import show_images as show_images
from .core import to_float as to_float
from .core import to_uint8 as to_uint8
from .data import ImageData as ImageData
from .data import load_mnist as load_mnist
from .denoising import calibration as calibration
from .denoising import psnr as psnr
from .denoising import ssim as ssim
from .editing import slerp as slerp
from .engine.animation import save_gif as save_gif
from .engine.animation import save_grid as save_grid
from .engine.checkpoint import load_checkpoint as load_checkpoint
from .engine.checkpoint import load_model as load_model
from .engine.datasets import load_data as load_data
from .engine.evaluate import evaluate as evaluate
from .engine.folders import FolderData as FolderData
from .engine.run import DDPMTrainer as DDPMTrainer
from .eval import diversity as diversity
from .eval import fid_proxy as fid_proxy
from .eval import frechet_distance as frechet_distance
from .eval import kid as kid
from .eval import nearest_neighbours as nearest_neighbours
from .eval import precision_recall as precision_recall
from .likelihood import bits_per_dim as bits_per_dim
from .loss import DDPMLoss as DDPMLoss
from .loss import drop_labels as drop_labels
from .pretrained import load_pretrained as load_pretrained
from .pretrained import pretrained_names as pretrained_names
from .sampler import DDPMSampler as DDPMSampler
from .schedules import DDPMSchedules as DDPMSchedules
from .time_embedding import TimeEmbedding as TimeEmbedding
from .time_embedding import sinusoidal_embedding as sinusoidal_embedding
from .trainer import EMA as EMA
from .trainer import Callback as Callback
from .trainer import lr_at as lr_at
from .unet import UNetSmall as UNetSmall
from .viz import denoising_strip as denoising_strip
from .viz import plot_schedules as plot_schedules
from .viz import plot_training_curves as plot_training_curves

__version__: str
__all__ = [
    "DDPMError",
    "pick_device",
    "seed_everything",
    "to_float",
    "to_uint8",
    "make_grid",
    "show_images",
    "ImageData",
    "load_mnist",
    "DDPMSchedules",
    "sinusoidal_embedding",
    "TimeEmbedding",
    "UNetSmall",
    "DDPMLoss",
    "drop_labels",
    "bits_per_dim",
    "Callback",
    "EMA",
    "lr_at",
    "DDPMSampler",
    "slerp",
    "frechet_distance",
    "fid_proxy",
    "kid",
    "precision_recall",
    "diversity",
    "nearest_neighbours",
    "psnr",
    "ssim",
    "calibration",
    "denoising_strip",
    "plot_schedules",
    "plot_training_curves",
    "load_pretrained",
    "pretrained_names",
    "save_grid",
    "save_gif",
    "load_data",
    "FolderData",
    "load_checkpoint",
    "load_model",
    "DDPMTrainer",
    "evaluate",
    "load_config",
    "build",
    "to_diffusers",
    "from_diffusers",
    "to_onnx",
    "load_onnx",
]

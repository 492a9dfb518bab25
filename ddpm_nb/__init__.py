"""Learn denoising diffusion by stepping through notebooks, then keep using the package.

Names are imported when they are first used (PEP 562), so that `import ddpm_nb` needs no torch.
"""

from importlib import import_module

__version__ = "0.2.0"

_HOME = {  # module: the public names it holds
    "core": "DDPMError pick_device seed_everything to_float to_uint8 make_grid show_images",
    "data": "ImageData load_mnist",
    "schedules": "DDPMSchedules",
    "time_embedding": "sinusoidal_embedding TimeEmbedding",
    "unet": "UNetSmall",
    "loss": "DDPMLoss drop_labels",
    "likelihood": "bits_per_dim",
    "trainer": "Callback EMA lr_at",
    "sampler": "DDPMSampler",
    "editing": "slerp",
    "eval": "frechet_distance fid_proxy kid precision_recall diversity nearest_neighbours",
    "denoising": "psnr ssim calibration",
    "viz": "denoising_strip plot_schedules plot_training_curves",
    "pretrained": "load_pretrained pretrained_names",
    "engine.animation": "save_grid save_gif",
    "engine.datasets": "load_data",
    "engine.folders": "FolderData",
    "engine.checkpoint": "load_checkpoint load_model",
    "engine.run": "DDPMTrainer",
    "engine.evaluate": "evaluate",
    "app.config": "load_config",
    "app.recipes": "build",
    "app.interop": "to_diffusers from_diffusers",
    "app.onnx": "to_onnx load_onnx",
}
_NAMES = {name: home for home, names in _HOME.items() for name in names.split()}
__all__ = [*_NAMES]


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"ddpm_nb.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*__all__, "__version__"])

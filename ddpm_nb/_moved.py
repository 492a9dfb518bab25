"""Where the names of 0.1 live now. Old import paths keep working, with a `DeprecationWarning`."""

import warnings
from importlib import import_module

# old module: {new module: names, each `name` or `old=new`}
MOVED = {
    "core": {
        "engine.compat": "import_torchvision",
        "engine.files": "unwritten=write_error atomic_path=atomic_write",
    },
    "data": {
        "engine.folders": (
            "EXTENSIONS ENDINGS=EOF_MARKERS check_range read_image why_unreadable "
            "check_image find_images Files FolderData"
        ),
        "engine.datasets": "load_torchvision split_indices load_data",
        "engine.failures": "LostProcess dead_workers_named=translate_worker_death",
    },
    "loss": {
        "likelihood": (
            "normal_kl discretized_gaussian_log_likelihood step_log_variance "
            "PMeanVariance=Posterior bits_per_dim"
        ),
    },
    "trainer": {
        "settings": "TRAINING_DEFAULTS check_ranges training_config",
        "engine.files": (
            "SEAL=CHECKSUM_PREFIX BROKEN_ZIP whole_digest=sha256_without_comment "
            "seal=append_checksum damage=find_corruption whole_ones=intact_checkpoints "
            "writing=atomic_write second_name=link_or_copy"
        ),
        "engine.checkpoint": "CKPT_KEYS load_checkpoint pick_weights load_model",
        "engine.optim": "orthogonalize=newton_schulz Muon make_optimizer",
        "engine.callbacks": (
            "peak_memory MetricsLog Validate EarlyStop SampleGrids Checkpoints "
            "StopOnSignal Progress standard_callbacks"
        ),
        "engine.failures": "failures_named=translate_errors",
        "engine.distributed": (
            "Team=DistributedContext meeting_place=rendezvous_kwargs "
            "first_goes_ahead=main_process_first joined=distributed"
        ),
        "engine.run": "DDPMTrainer",
    },
    "sampler": {
        "core": "eval_mode",
        "editing": "slerp",
        "sampler": (
            "Step=SamplerStep WITH_ETA=METHODS_WITH_ETA"
        ),
        "schedules": "Denoised=Prediction",
        "solvers": "karras_steps=karras_timesteps",
        "spacing": "SPACINGS",
        "guidance": "guide=classifier_free_guidance classifier_free_guidance",
        "noise": "Noise=PerImageNoise",
    },
    "eval": {
        "engine.external": (
            "INCEPTION_HASH inception_weights InceptionFeatures load_lpips lpips_distance"
        ),
        "engine.evaluate": (
            "METRICS DEFAULT_METRICS SampleStats check_metrics sample_metrics "
            "model_metrics reference_for sample_parts=iter_samples model_hash evaluate"
        ),
        "pretrained": "FeatureNet",
        "engine.features": (
            "classifier_accuracy train_feature_net data_hash net_hash save_features "
            "load_features reference_stats"
        ),
        "likelihood": "mean_bits=mean_bits_per_dim",
        "denoising": "psnr ssim denoise_once calibration reconstruction",
        "eval": "as_pictures=validate_images",
    },
    "viz": {
        "engine.animation": "save_grid trajectory_frames caption_frame save_gif save_mp4",
    },
    "config": {
        "app.config_schema": (
            "RULES Key bounds_text as_type coerce signature_keys apply_rules "
            "sampling_keys evaluation_keys logging_keys config_schema "
            "leaves=flatten_schema"
        ),
        "app.config": (
            "check suggest read_yaml config_names read_config parse_text override "
            "take_over=fill_shared agree=cross_validate load_config config_yaml"
        ),
    },
    "report": {
        "app.report_tables": (
            "DISTANCES md_table comparison_rows advice=recommend_sampler result_notes "
            "results_text metric_lines"
        ),
        "app.curves": "save_curves save_all_curves save_schedule_plots newest",
        "app.report": "report_markdown make_report",
        "app.report_html": "markdown_html",
    },
    "interop": {
        "app.interop": (
            "save_pretrained unet2d_config to_diffusers check_unet2d unetsmall_config "
            "from_diffusers"
        ),
        "pretrained": "pretrained_names load_pretrained",
    },
    "cli": {
        "app.arguments": (
            "COMMANDS EVERYWHERE FLAGS SWITCHES uses flag_key flags_of UsageError parse help_text"
        ),
        "app.sources": (
            "settings check_writable checkpoint_path packaged_model "
            "check_same=require_same_network sampling_model sampler_args"
        ),
        "engine.trackers": "Track trackers",
        "app.command_train": ("restarted own_checkpoints train_config run_training cmd_train"),
        "app.recipes": "start_from",
        "app.command_sample": (
            "picture_path=image_path cmd_sample noise_behind read_picture=read_user_image "
            "read_mask data_for source_images cmd_from_images"
        ),
        "app.results": "read_results result_name main_numbers training_step",
        "app.command_eval": "eval_plan eval_data cmd_eval",
        "app.commands": "cmd_viz cmd_neighbours cmd_features cmd_export cmd_import cmd_demo",
    },
    "widgets": {
        "app.panels": (
            "LABELS picture=grid_png figure=figure_png Stopped Panel pretrained digits eta_of "
            "label_of"
        ),
        "app.panels_sampling": ("STEPS ScheduleExplorer Denoiser SamplerBench TrajectoryScrubber"),
        "app.panels_editor": "canvas uploaded Editor",
        "app.panels_training": "LiveTraining",
    },
    "unet": {
        "unet": "Level=Stage down_path=build_encoder up_path=build_decoder",
        "unet_checks": "unet_levels=unet_stages check_unet_config",
        "engine.kernels": "NormSiLU",
    },
}

# old module: {name that is gone: what to use instead}
GONE = {
    "widgets": {
        "to_hex": "the canvas takes bytes; see ddpm_nb.app.panels_editor.image_to_bytes",
        "from_hex": "the canvas holds bytes; see ddpm_nb.app.panels_editor.image_from_bytes",
    },
}


def new_home(
    module: str,  # a module of 0.1, without the package's name
) -> dict:  # name -> (new module, new name)
    "Where each name that left `module` is now"
    entries = [
        (entry.partition("="), home)
        for home, names in MOVED.get(module, {}).items()
        for entry in names.split()
    ]
    return {old: (f"ddpm_nb.{home}", new or old) for (old, _, new), home in entries}


def moved(
    module: str,  # the module's `__name__`
):  # a function for `module.__getattr__` (PEP 562)
    "Look old names up in their new module, with a warning that says where they are"
    homes = new_home(module.rpartition("ddpm_nb.")[2])

    def __getattr__(name):
        if name == "__all__" and not _has_code(module):
            return sorted(homes)
        if name not in homes:
            instead = GONE.get(module.rpartition("ddpm_nb.")[2], {})
            note = f" any more: {instead[name]}" if name in instead else ""
            raise AttributeError(f"module {module!r} has no attribute {name!r}{note}")
        home, new = homes[name]
        warnings.warn(f"{module}.{name} is now {home}.{new}", DeprecationWarning, stacklevel=2)
        return getattr(import_module(home), new)

    return __getattr__


def _has_code(module):
    "Whether a module of 0.1 still defines names of its own, which `__all__` then lists"
    return module.rpartition("ddpm_nb.")[2] not in ("config", "report", "interop", "widgets")

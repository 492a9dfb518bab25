"""Where the names of 0.1 live now. Old import paths keep working, with a `DeprecationWarning`."""

import sys
import warnings
from functools import wraps
from importlib import import_module

# old module: {new module: names, each `name` or `old=new`}
MOVED = {
    "core": {
        "engine.compat": "import_torchvision",
        "engine.files": "unwritten=write_error atomic_path=atomic_write",
    },
    "data": {
        "engine.folders": "find_images Files FolderData",
        "engine.images": (
            "ENDINGS=EOF_MARKERS check_range=check_mode read_image why_unreadable check_image"
        ),
        "engine.scan": "EXTENSIONS",
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
        "loop": "cpu_has_bf16",
        "settings": "LR_SCHEDULES TRAINING_DEFAULTS check_ranges training_config",
        "engine.files": (
            "SEAL=CHECKSUM_PREFIX BROKEN_ZIP whole_digest=sha256_without_comment "
            "seal=append_checksum damage=find_corruption whole_ones=intact_checkpoints "
            "writing=atomic_write second_name=link_or_copy"
        ),
        "engine.checkpoint": "CKPT_KEYS load_checkpoint pick_weights load_model",
        "engine.optim": "orthogonalize=newton_schulz Muon make_optimizer",
        "engine.callbacks": (
            "peak_memory MetricsLog Validate EarlyStop SampleGrids Checkpoints "
            "StopOnSignal Progress standard_callbacks out_of_patience"
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
        "sampler": "Step=SamplerStep WITH_ETA=METHODS_WITH_ETA",
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
        "run_settings": "METRICS DEFAULT_METRICS",
        "engine.measures": "SampleStats check_metrics sample_metrics model_metrics",
        "engine.evaluate": "reference_for sample_parts=iter_samples model_hash evaluate",
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
        "app.config": (
            "read_yaml config_names read_config parse_text override take_over=fill_shared "
            "load_config config_yaml"
        ),
        "sections": "Key=Setting as_type coerce=check_value",
    },
    "report": {
        "app.report_tables": (
            "DISTANCES md_table comparison_rows advice=recommend_sampler result_notes "
            "results_text metric_lines"
        ),
        "app.curves": "save_curves save_all_curves save_schedule_plots newest",
        "app.report": "report_markdown make_report",
    },
    "interop": {
        "app.interop": (
            "save_pretrained unet2d_config to_diffusers check_unet2d unetsmall_config "
            "from_diffusers"
        ),
        "pretrained": "pretrained_names load_pretrained",
    },
    "cli": {
        "app.arguments": "UsageError parse help_text",
        "app.command_table": "COMMANDS EVERYWHERE FLAGS uses",
        "app.sources": (
            "settings=command_config check_writable checkpoint_path packaged_model "
            "check_same=require_same_network sampling_model sampler_args"
        ),
        "engine.trackers": "Track trackers",
        "engine.distributed": "restarted",
        "app.command_train": "own_checkpoints train_config run_training cmd_train=train",
        "app.fine_tuning": "start_from",
        "app.command_sample": (
            "picture_path=image_path noise_behind=invert_images read_picture=read_user_image"
        ),
        "app.command_edit": "read_mask data_for source_images",
        "app.results": "read_results result_name main_numbers training_step",
        "app.command_eval": "eval_plan cmd_eval=evaluate_run",
        "app.commands": (
            "cmd_neighbours=viz_neighbours cmd_features=features_train cmd_export=export "
            "cmd_import=import_model cmd_demo=demo"
        ),
        "cli": "run=dispatch stopped=stopped_message",
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
        "unet_checks": "unet_levels=unet_stages",
        "engine.kernels": "NormSiLU",
    },
}

# old module: {name that is gone: what to use instead}
_SECTIONS = "the classes of the sections state every key; see ddpm_nb.settings and run_settings"
GONE = {
    "config": {
        **dict.fromkeys(
            "RULES signature_keys apply_rules sampling_keys evaluation_keys logging_keys".split(),
            _SECTIONS,
        ),
        "config_schema": f"{_SECTIONS}, and ddpm_nb.sections.all_settings(Config) for all of them",
        "leaves": "see ddpm_nb.sections.all_settings",
        "bounds_text": "see ddpm_nb.sections.Setting.range_text",
        "check": "see ddpm_nb.run_settings.Config.complete",
        "agree": "see ddpm_nb.run_settings.Config.validate",
        "suggest": "see ddpm_nb.sections.unknown_key",
    },
    "unet": {"check_unet_config": "see ddpm_nb.settings.ModelConfig.complete"},
    "cli": {
        "make_trainer": "build(config).trainer; see ddpm_nb.app.recipes.build",
        "SWITCHES": "see ddpm_nb.app.command_table.FLAGS",
        "flag_key": "see ddpm_nb.app.command_table.key_of_short_name",
        "flags_of": "see ddpm_nb.app.arguments.option_names",
        "cmd_sample": "see sample_grid, sample_trajectory, … in ddpm_nb.app.command_sample",
        "cmd_from_images": "see sample_inpainting, sample_edit in ddpm_nb.app.command_edit",
        "eval_data": "see ddpm_nb.app.command_edit.data_for",
        "cmd_viz": "see viz_curves, viz_schedules, report in ddpm_nb.app.commands",
    },
    "report": {
        "markdown_html": "both forms are made from templates; see ddpm_nb.app.report.make_report",
    },
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
    # in the notebook that exports the module, it need not be there
    namespace = vars(sys.modules[module]) if module in sys.modules else {}
    for name in homes:
        # `@patch` leaves None behind under the name of the method it adds
        if name in namespace and namespace[name] is None:
            del namespace[name]

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


def renamed_arguments(
    **new_names,  # old=new
):  # a decorator
    "Let a function take arguments under their names of 0.1, with a `DeprecationWarning`"

    def decorate(f):
        @wraps(f)
        def wrapper(*args, **kwargs):
            for old, new in new_names.items():
                if old in kwargs and new not in kwargs:
                    message = f"{f.__qualname__}: {old} is now {new}"
                    warnings.warn(message, DeprecationWarning, stacklevel=2)
                    kwargs[new] = kwargs.pop(old)
            return f(*args, **kwargs)

        return wrapper

    return decorate


def _has_code(module):
    "Whether a module of 0.1 still defines names of its own, which `__all__` then lists"
    return module.rpartition("ddpm_nb.")[2] not in ("config", "report", "interop", "widgets")

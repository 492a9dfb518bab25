# written by tools/export.py from unet.py; do not edit
"""The network that looks at a noisy picture and a time, and says what the noise is."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from .time_embedding import TimeEmbedding as TimeEmbedding

__all__ = [
    "KERNELS",
    "norm_silu",
    "ResBlock",
    "Attention",
    "Downsample",
    "upsample",
    "Upsample",
    "Stage",
    "unet_levels",
    "down_path",
    "up_path",
    "check_unet_config",
    "UNetSmall",
]

def norm_silu(
    x: Tensor, norm: nn.GroupNorm, scale: Tensor | None = None, shift: Tensor | None = None
) -> Tensor:
    """silu(GroupNorm(x)·(1+scale) + shift) (Nichol & Dhariwal 2021, app. A)

    Args:
        x: `(B,C,H,W)`
        norm: what to normalise with
        scale: s(t), `(B,C)`
        shift: b(t), `(B,C)`; given where `scale` is

    Returns:
        `(B,C,H,W)`
    """
    ...

KERNELS: dict

class ResBlock(nn.Module):
    """norm → SiLU → conv, told the time, norm → SiLU → dropout → conv, plus the input

    Args:
        c_in: channels in
        c_out: channels out
        emb_dim: width of the time embedding
        groups: of GroupNorm; must divide both channel counts
        dropout: before the second convolution
        film: scale and shift after the second norm (FiLM); False adds before it, as in
            the DDPM paper
    """

    film: bool
    norm1: nn.GroupNorm
    conv1: nn.Conv2d
    time_emb_proj: nn.Linear
    norm2: nn.GroupNorm
    conv2: nn.Conv2d
    dropout: nn.Dropout
    conv_shortcut: Any
    def __init__(
        self,
        c_in: int,
        c_out: int,
        emb_dim: int,
        groups: int = 32,
        dropout: float = 0.0,
        film: bool = True,
    ) -> None: ...
    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """Transform `x`, conditioned on `emb`

        Args:
            x: `(B,c_in,H,W)`
            emb: SiLU of the time embedding, `(B,emb_dim)`

        Returns:
            `(B,c_out,H,W)`
        """
        ...

class Attention(nn.Module):
    """Every pixel looks at every other, in several heads, plus the input

    Args:
        c: channels
        head_dim: channels per head; None for a single head
        groups: of GroupNorm
    """

    heads: Any
    group_norm: nn.GroupNorm
    to_q: nn.Linear
    to_k: nn.Linear
    to_v: nn.Linear
    to_out: nn.ModuleList
    def __init__(self, c: int, head_dim: int = 8, groups: int = 32) -> None: ...
    def forward(self, x: Tensor) -> Tensor:
        """softmax(QKᵀ/√d) V over the H·W pixels (Vaswani et al. 2017, eq. 1)

        Args:
            x: `(B,c,H,W)`

        Returns:
            `(B,c,H,W)`
        """
        ...

class Downsample(nn.Module):
    """Halve height and width with a strided convolution

    Args:
        c: channels
        padding: 1: a border on all sides; 0: only right and below, as in the original
            DDPM code
    """

    padding: int
    conv: nn.Conv2d
    def __init__(self, c: int, padding: int = 1) -> None: ...
    def forward(self, x: Tensor) -> Tensor:
        """Shrink `x`

        Args:
            x: `(B,c,H,W)`

        Returns:
            `(B,c,H/2,W/2)`
        """
        ...

def upsample(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Repeat each pixel twice in both directions, then convolve

    Args:
        x: `(B,c,H,W)`
        conv: 3 × 3, keeps height and width

    Returns:
        `(B,c,2H,2W)`
    """
    ...

class Upsample(nn.Module):
    """Double height and width by repeating pixels, smoothed by a convolution

    Args:
        c: channels
    """

    conv: nn.Conv2d
    def __init__(self, c: int) -> None: ...
    def forward(self, x: Tensor) -> Tensor:
        """Enlarge `x`

        Args:
            x: `(B,c,H,W)`

        Returns:
            `(B,c,2H,2W)`
        """
        ...

class Stage(nn.Module):
    """The residual blocks, attentions and resampling of one resolution

    Args:
        blocks: list of `ResBlock`
        attentions: list of `Attention`, one after each block as far as they go
        down: a `Downsample`
        up: an `Upsample`
    """

    resnets: nn.ModuleList
    attentions: nn.ModuleList
    downsamplers: nn.ModuleList
    upsamplers: nn.ModuleList
    def __init__(self, blocks, attentions, down=None, up=None) -> None: ...
    def layers(self):
        """`(block, attention)` pairs; None where there are fewer attentions"""
        ...
    def run(
        self, h: Tensor, emb: Tensor, stack: list | None = None, save: bool = False
    ) -> Iterator[Any]:
        """Run the level block by block

        Args:
            h: `(B,C,H,W)`
            emb: SiLU of the time embedding
            stack: when given, the guests: each block gets the last one beside `h`
            save: compute inner states again in the backward pass instead of keeping them

        Returns:
            yields the state after each block
        """
        ...

def unet_levels(
    image_size: int, base_channels: int, channel_mults, attention_resolutions, num_groups: int
) -> list:
    """What each level of a UNet looks like; raises `DDPMError` where it can't be built

    Args:
        image_size: height and width of the pictures
        base_channels: width at full resolution
        channel_mults: width of each level over the base, finest first
        attention_resolutions: sizes at which there is attention
        num_groups: of GroupNorm

    Returns:
        `(width, size, attention?)` of each level
    """
    ...

def down_path(levels: list, n: int, block, attention, padding: int = 1) -> tuple:
    """The way down

    Args:
        levels: from `unet_levels`
        n: residual blocks per level
        block: `f(channels in, channels out)`, makes a `ResBlock`
        attention: `f(channels)`, makes an `Attention`
        padding: see `Downsample`

    Returns:
        `(levels, widths of what they leave on the stack)`
    """
    ...

def up_path(levels: list, n: int, block, attention, stack: list) -> nn.ModuleList:
    """The way up, made to empty the stack

    Args:
        levels: from `unet_levels`
        n: residual blocks per level on the way down; here there is one more
        block: as in `down_path`
        attention: as in `down_path`
        stack: from `down_path`
    """
    ...

def check_unet_config(c: dict) -> None:
    """Raise `DDPMError` for a value that no network can have

    Args:
        c: the arguments of `UNetSmall`
    """
    ...

class UNetSmall(nn.Module):
    """DDPM's UNet: shrink, think, grow, with skips across; weights are named as in diffusers'
    `UNet2DModel`

    Args:
        image_size: height and width it is made for; fixes where attention sits
        in_channels: 1 grey, 3 RGB
        base_channels: width at full resolution
        channel_mults: width of each level over the base; one level per halving
        num_res_blocks: residual blocks per level on the way down; one more on the way
            up
        attention_resolutions: attention follows each block where height equals one of
            these, and nowhere else
        attention_head_dim: channels per head; None for a single head
        num_groups: of GroupNorm
        dropout: in the residual blocks, in [0,1)
        film: scale-shift conditioning; False for the DDPM paper's additive form
        num_classes: classes; adds one more embedding, the null label for guidance
        learn_sigma: also predict the variance: twice the output channels
        parameterization: what the output means: 'eps', 'x0' or 'v'
        gradient_checkpointing: recompute blocks in backward: less memory, more time,
            same numbers
        downsample_padding: see `Downsample`
        flip_sin_to_cos: see `sinusoidal_embedding`
        freq_shift: see `sinusoidal_embedding`
        mid_attention: attention in the middle whatever its resolution, as in the DDPM
            paper's CIFAR-10 model
        norm_eps: what every GroupNorm adds to the variance; google/ddpm-cifar10-32 has
            1e-6
    """

    config: Any
    parameterization: str
    gradient_checkpointing: bool
    image_size: int
    in_channels: int
    num_classes: int | None
    learn_sigma: bool
    time_embedding: TimeEmbedding
    class_embedding: nn.Embedding
    conv_in: nn.Conv2d
    down_blocks: Any
    mid_block: Stage
    up_blocks: Any
    conv_norm_out: nn.GroupNorm
    conv_out: nn.Conv2d
    def __init__(
        self,
        image_size: int = 32,
        in_channels: int = 3,
        base_channels: int = 64,
        channel_mults=(1, 2, 4),
        num_res_blocks: int = 2,
        attention_resolutions=(16,),
        attention_head_dim: int = 32,
        num_groups: int = 32,
        dropout: float = 0.0,
        film: bool = True,
        num_classes: int | None = None,
        learn_sigma: bool = False,
        parameterization: str = "eps",
        gradient_checkpointing: bool = False,
        downsample_padding: int = 1,
        flip_sin_to_cos: bool = True,
        freq_shift: float = 0.0,
        mid_attention: bool = False,
        norm_eps: float = 1e-05,
    ) -> None: ...
    @property
    def num_params(self):
        """How many numbers there are to learn"""
        ...
    @property
    def null_label(self):
        """The class number that means "no class": what guidance contrasts with"""
        ...
    def check_input(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> None:
        """Raise `DDPMError` unless a forward pass can work with these

        Args:
            x: as in `forward`
            t: as in `forward`
            y: as in `forward`
        """
        ...
    def embed(self, t: Tensor, y: Tensor | None = None) -> Tensor:
        """The conditioning vector, after its SiLU

        Args:
            t: step index `(B,)`
            y: class labels int64 `(B,)` in [0,num_classes]; num_classes is the null label

        Returns:
            `(B, 4*width)`
        """
        ...
    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """What the model's parameterization says: eps, x0 or v, with the variance's raw output
        behind it if learned

        Args:
            x: noisy images `(B,in_channels,H,W)`
            t: step index, int64 `(B,)` in [0,T)
            y: class labels int64 `(B,)`, None for unconditional

        Returns:
            `(B,in_channels,H,W)`, or twice the channels with `learn_sigma`
        """
        ...

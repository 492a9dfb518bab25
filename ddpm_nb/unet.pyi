# written by tools/export.py from unet.py; do not edit
"""The network that sees a noisy image and its step, and predicts the noise."""

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
    "build_encoder",
    "build_decoder",
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
    """Residual block: twice norm → SiLU → convolution, the second norm conditioned on the time

    Args:
        c_in: channels in
        c_out: channels out
        emb_dim: width of the time embedding
        groups: of GroupNorm; must divide both channel counts
        dropout: before the second convolution, in [0,1)
        scale_shift: after the second norm; False adds before it, as in DDPM
    """

    scale_shift: bool
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
        scale_shift: bool = True,
    ) -> None: ...
    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """`x` (through a 1 × 1 convolution where channels change) plus the block's correction to
        it

        Args:
            x: `(B,c_in,H,W)`
            emb: SiLU of the time embedding, `(B,emb_dim)`

        Returns:
            `(B,c_out,H,W)`
        """
        ...

class Attention(nn.Module):
    """Multi-head self-attention over the H·W positions, with a residual connection

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
    def __init__(self, c: int, head_dim: int | None = 8, groups: int = 32) -> None: ...
    def forward(self, x: Tensor) -> Tensor:
        """`x` + softmax(QKᵀ/√d)·V over its positions (Vaswani et al. 2017, eq. 1)

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
        """`x` at half its height and width

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
        """`x` at twice its height and width

        Args:
            x: `(B,c,H,W)`

        Returns:
            `(B,c,2H,2W)`
        """
        ...

class Stage(nn.Module):
    """The residual blocks and attentions of one resolution, and the change to the next one

    Args:
        blocks: `ResBlock`s
        attentions: `Attention`s, one after each block as far as they go
        downsample: None where the resolution stays
        upsample: None where the resolution stays
    """

    resnets: nn.ModuleList
    attentions: nn.ModuleList
    downsamplers: nn.ModuleList
    upsamplers: nn.ModuleList
    def __init__(
        self,
        blocks: list,
        attentions: list,
        downsample: Downsample | None = None,
        upsample: Upsample | None = None,
    ) -> None: ...
    @property
    def downsample(self) -> Downsample | None:
        """The change to half the resolution, if there is one"""
        ...
    @property
    def upsample(self) -> Upsample | None:
        """The change to twice the resolution, if there is one"""
        ...
    def layers(self):
        """Pairs of a block and the attention after it; None where there are fewer attentions"""
        ...

def build_encoder(stages: list, n: int, block, attention, padding: int = 1) -> tuple:
    """The encoder's stages, and the widths of the skip connections in the order they arise

    Args:
        stages: from `unet_stages`
        n: residual blocks per stage
        block: `f(channels in, channels out)`, makes a `ResBlock`
        attention: `f(channels)`, makes an `Attention`
        padding: see `Downsample`

    Returns:
        `(nn.ModuleList, list of widths)`
    """
    ...

def build_decoder(stages: list, n: int, block, attention, skip_widths: list) -> nn.ModuleList:
    """The decoder's stages, coarsest first; its blocks use up all skips, the last one first

    Args:
        stages: from `unet_stages`
        n: residual blocks per stage of the encoder; here there is one more
        block: as in `build_encoder`
        attention: as in `build_encoder`
        skip_widths: from `build_encoder`
    """
    ...

class UNetSmall(nn.Module):
    """DDPM's UNet: encoder, middle, decoder, skip connections; weights named as in
    `UNet2DModel`

    Args:
        image_size: a square's side, or height and width
        in_channels: 1 grey, 3 RGB; 2 and 4 with alpha
        base_channels: width at full resolution
        channel_mults: width of each stage over the base; one stage per resolution
        num_res_blocks: residual blocks per stage; one more in the decoder
        attention_resolutions: attention follows blocks whose smaller side is one of
            these
        attention_head_dim: channels per head; None for a single head
        num_groups: of GroupNorm
        dropout: in the residual blocks, in [0,1)
        film: diffusers' scale_shift; False adds the time, as in the DDPM paper
        num_classes: classes; the null label for guidance comes on top
        learn_sigma: also predict the variance: twice the output channels
        parameterization: what the output means: 'eps', 'x0' or 'v'
        gradient_checkpointing: recompute in backward: less memory, more time
        downsample_padding: see `Downsample`
        flip_sin_to_cos: see `sinusoidal_embedding`
        freq_shift: see `sinusoidal_embedding`
        mid_attention: attention in the middle at any resolution, as in the paper
        norm_eps: GroupNorm adds it to the variance; google/ddpm-cifar10-32: 1e-6
        has_null_label: False: models from elsewhere that guidance can't be used on
        augment_dim: 9: can be told how images were augmented; see `engine.augment`
    """

    config: dict
    parameterization: str
    learn_sigma: bool
    image_size: int | list
    in_channels: int
    num_classes: int | None
    gradient_checkpointing: bool
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
        image_size: int | list = 32,
        in_channels: int = 3,
        base_channels: int = 64,
        channel_mults=(1, 2, 4),
        num_res_blocks: int = 2,
        attention_resolutions=(16,),
        attention_head_dim: int | None = 32,
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
        has_null_label: bool = True,
        augment_dim: int = 0,
    ) -> None: ...
    def init_weights(self, norm_eps: float) -> None:
        """Set the last convolution to zero, every norm's epsilon, and the weights' memory format"""
        ...
    @property
    def num_params(self) -> int:
        """The number of weights"""
        ...
    @property
    def null_label(self) -> int | None:
        """The label that stands for no class, in classifier-free guidance; None if there is none"""
        ...
    def embed(self, t: Tensor, y: Tensor | None = None, augment: Tensor | None = None) -> Tensor:
        """SiLU of the embedding of time and class, which every residual block is conditioned on

        Args:
            t: step index `(B,)`
            y: class labels int64 `(B,)`; None means the null label
            augment: how images were augmented `(B,augment_dim)`

        Returns:
            `(B, 4*width)`
        """
        ...
    def run_layer(
        self, block: ResBlock, attention: Attention | None, h: Tensor, emb: Tensor
    ) -> Tensor:
        """`h` after a residual block and the attention behind it; with gradient checkpointing if
        set

        Args:
            h: `(B,C,H,W)`
            emb: from `embed`
        """
        ...
    def forward(
        self, x: Tensor, t: Tensor, y: Tensor | None = None, augment: Tensor | None = None
    ) -> Tensor:
        """The prediction: eps, x0 or v as `parameterization` says; then the raw variance, if
        learned

        Args:
            x: noisy images `(B,in_channels,H,W)`
            t: step index, int64 `(B,)` in [0,T)
            y: class labels int64 `(B,)`, None for unconditional
            augment: how images were augmented `(B,augment_dim)`; None: not at all

        Returns:
            `(B,in_channels,H,W)`, or twice the channels with `learn_sigma`
        """
        ...

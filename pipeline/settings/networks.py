"""`network`: a class per `from:`."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from pipeline.settings.base import Section


class Network(Section):
    @property
    def pretrained_file(self) -> str | None:
        """File of weights from which training starts, if the settings name one."""
        return None


class ResnetCifar(Network):
    """Residual network for small images (He et al. 2016, section 4.2) of 6·blocks + 2 layers: blocks 3 is ResNet-20."""

    kind: Literal["resnet_cifar"] = Field("resnet_cifar", alias="from")
    blocks: PositiveInt = 3
    """Residual blocks in each of the three stages."""
    channels: tuple[PositiveInt, PositiveInt, PositiveInt] = (16, 32, 64)
    """Filters of the three stages; the last number is K, the number of filters that gates choose from."""


class Resnet(Network):
    """Residual network of ImageNet as torchvision has it (He et al. 2016), for colour images of 32 pixels and more."""

    kind: Literal["resnet"] = Field("resnet", alias="from")
    depth: Literal[18, 34, 50, 101, 152] = 18
    """Layers; the last stage has 512 filters up to 34, and 2048 from 50."""
    pretrained: Annotated[str, Field(pattern=r"^(none|auto|.+\.(pth|pt|safetensors))$")] = "none"
    """Where training starts without a base: none is random weights; a path names a file of weights in torchvision's
    format, .pth, .pt or .safetensors; auto takes the ImageNet-1k V1 weights from torch's cache or downloads them, and
    without a connection starts from random weights, which the checkpoint then notes."""


    @property
    def pretrained_file(self) -> str | None:
        return None if self.pretrained in ("none", "auto") else self.pretrained


class AlexnetCifar(Network):
    """AlexNet for small images, without global average pooling (csg.md section 3)."""

    kind: Literal["alexnet_cifar"] = Field("alexnet_cifar", alias="from")
    channels: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (64, 192, 384, 256, 256)
    """Filters of the five convolutions; the last number is K, the number of filters that gates choose from."""
    hidden: PositiveInt = 2048
    """Neurons of the two hidden linear layers."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.6
    """Share of the inputs of these layers that is dropped while training."""


class Mlp(Network):
    """Multilayer perceptron: linear layers with ReLU between them on the pixels of an image (admm.md section 6)."""

    kind: Literal["mlp"] = Field("mlp", alias="from")
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (128, 128)
    """Neurons of the hidden layers."""
    normalise: bool = False
    """Subtract the dataset's mean and divide by its deviation; else pixels go in as they are, in 0..1."""
    init: Literal["fan_in", "he", "small"] = "fan_in"
    """Normal draw of weights (admm.md 3.5) of variance 1/(3 fan_in), 2/fan_in, or 0.01², that with biases of 0.1."""


class InceptionResnetV1(Network):
    """Inception-ResNet-V1 for faces (admm.md section 4.3), for colour images of 75 pixels and more; 160 is its own."""

    kind: Literal["inception_resnet_v1"] = Field("inception_resnet_v1", alias="from")
    pretrained: Annotated[str, Field(pattern=r"^(none|.+\.(pth|pt|safetensors))$")] = "none"
    """Where training starts without a base: none is random weights; a path names a file of weights in facenet-pytorch's
    format, such as its 20180402-114759-vggface2.pt, which is never downloaded."""

    @property
    def pretrained_file(self) -> str | None:
        return None if self.pretrained == "none" else self.pretrained


class Convnet(Network):
    """Plain convolutional network: blocks of 3×3 convolution, batch norm and ReLU, then global average pooling."""

    kind: Literal["convnet"] = Field("convnet", alias="from")
    channels: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (16, 24, 32, 32)
    """Filters of the blocks; the last number is K, the number of filters that gates choose from."""
    stride: PositiveInt = 2
    """Stride of the first block; the others have 1."""


AnyTrunk = Annotated[ResnetCifar | Resnet | Convnet, Field(discriminator="kind")]


class AttentionBranch(Network):
    """Attention branch network (Fukui et al. 2019): its map multiplies what the last stage of a trunk sees."""

    kind: Literal["abn"] = Field("abn", alias="from")
    trunk: AnyTrunk = ResnetCifar()
    """Network whose last stage becomes the perception branch, and a copy of it the attention branch."""

    @property
    def pretrained_file(self) -> str | None:
        return self.trunk.pretrained_file


class NoNetwork(Network):
    """For methods that decompose images and train no network."""

    kind: Literal["no_network"] = Field("no_network", alias="from")


AnyNetwork = Annotated[
    ResnetCifar | Resnet | AlexnetCifar | InceptionResnetV1 | Mlp | Convnet | AttentionBranch,
    Field(discriminator="kind"),
]

#: What a checkpoint may say of its network.
StoredNetwork = Annotated[AnyNetwork | NoNetwork, Field(discriminator="kind")]

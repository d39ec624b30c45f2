"""Excitation backprop: probabilities that a neuron's excitation comes from a place, winner-take-all from the top down.

Paper: Zhang et al. 2016, Top-down neural attention by excitation backprop; Khorram 2020 (xnn.md section 6).
P(a_j) = Σ_i P(a_j|a_i) P(a_i) with P(a_j|a_i) = w⁺_ij a_j / Σ_k w⁺_ik a_k, from one neuron (probability 1) down to the
first ReLU, whose input may be negative. Contrastive (c-MWP): one layer below the neuron the same probabilities of the
neuron with negated weights are taken away, and what is below zero in the end goes.

Range: 0 to 1, each map sums to 1; a map of zeros means that there is none. Sign: none, larger means more. Resolution:
that of the layer where it stops. Cost: two forward passes, the second by positive weights, and one backward pass for
each neuron.

The network is traced by torch.fx, so residual blocks and functional calls need no preparation. A neuron may be in the
output of any module (`start`), or in that of a `head` of its own that reads that module. Batch normalisation after a
convolution is folded into its weights. A residual sum shares in proportion to what is positive of its two inputs. What
passes `stop` by, through a shortcut around it, is lost to the map, and so is what reaches a neuron that only its bias
excites.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

from pipeline.errors import UserError, unknown
from pipeline.explainers import excitation_rules as rules
from pipeline.explainers.excitation_rules import Rule, rule_of
from pipeline.explainers.maps import resized

if TYPE_CHECKING:
    from pipeline.settings.explainers import ExcitationBackprop

#: Images whose activations are held at a time.
CHUNK = 32


def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "ExcitationBackprop") -> Tensor:
    """Maps B×h×w ≥ 0 that sum to 1, at the resolution of the module `stop`; zeros where there is no map."""
    neurons = targets if settings.neuron is None else torch.full_like(targets, settings.neuron)
    options = {"start": settings.start, "stop": settings.stop, "contrastive": settings.contrastive}
    maps = [
        excitation_backprop(network, some, chosen[:, None], **options)[:, 0]
        for some, chosen in zip(images.split(CHUNK), neurons.split(CHUNK), strict=True)
    ]
    return torch.cat(maps).nan_to_num(nan=0.0).float()


def excitation_backprop(
    network: nn.Module,
    images: Tensor,
    neurons: Tensor,
    *,
    start: str | None = None,
    stop: str | None = None,
    head: nn.Module | None = None,
    contrastive: bool = True,
) -> Tensor:
    """Maps B×n×h×w: `winning_probabilities` summed over channels, cut off at zero, divided by their sum.

    NaN where there is no map: of a neuron that nothing excites, of one behind a ReLU that gives zero, of one without
    contrast where that is asked for, and where nothing is left above zero.
    """
    found = winning_probabilities(network, images, neurons, start=start, stop=stop, head=head, contrastive=contrastive)
    if found.dim() != 5:
        raise UserError(f"excitation_backprop: the output of '{stop}' is not B×C×h×w; stop where there are places")
    maps = found.sum(2).clamp(min=0)
    return maps / maps.sum((2, 3), keepdim=True)


@torch.no_grad()
def winning_probabilities(
    network: nn.Module,
    images: Tensor,
    neurons: Tensor,
    *,
    start: str | None = None,
    stop: str | None = None,
    head: nn.Module | None = None,
    contrastive: bool = True,
) -> Tensor:
    """Signals B×n×… at the output of the module `stop` (None: the first ReLU) for `images` B×….

    `neurons`: n numbers that hold for every image, or B×n. They count through an image's flattened output of the module
    `start` (None: of the network), or of `head` where one reads that output. Of a module that runs several times the
    last time counts. Without contrast each signal is ≥ 0 and sums to 1, less what is lost on the way, and to 0 if
    nothing excites the neuron; with contrast it sums to 0, and is NaN where there is none. All n·B go down at once:
    memory grows with n·B times the largest activation.

    Raises `UserError` for a module that is not there, a layer without a rule, a neuron that does not exist, and with
    `contrastive` for a neuron that is not in the output of a Linear or Conv2d, or of layers after it that only carry
    it on (such as its normalisation and ReLU); `ValueError` for a network in training mode.
    """
    if any(module.training for part in (network, head) if part is not None for module in part.modules()):
        raise ValueError("excitation_backprop: expected a network and head in evaluation mode; call eval() first")
    path = _Path.traced(network, start, stop, head)
    path.run(images)
    return _sweep(path, _one_hot(path.values[path.start], neurons), contrastive).transpose(0, 1)


def enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps B×n×h×w at `size` H×W, bilinearly, summing to 1 again; NaN where one is NaN or zero everywhere."""
    larger = resized(maps.flatten(0, 1), size).unflatten(0, maps.shape[:2])
    return larger / larger.sum((2, 3), keepdim=True)


class _Tracer(fx.Tracer):
    """Remembers which node is the output of which module, leaf or not."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[str, fx.Node] = {}

    def call_module(self, m: nn.Module, forward: Any, args: tuple, kwargs: dict) -> Any:
        output = super().call_module(m, forward, args, kwargs)
        if isinstance(output, fx.Proxy):
            self.outputs[self.path_of_module(m)] = output.node
        return output


@dataclass
class _Path:
    """A traced network, with its head, and the part of it between `stop` and `start`.

    `inputs` of the nodes up to `start`, in the order in which they run; `held` is the module that a node calls or the
    tensor that it is; `below` are `stop` and the nodes that depend on it; `values` is what they and their inputs gave.
    """

    start: fx.Node
    stop: fx.Node
    inputs: dict[fx.Node, list[fx.Node]]
    held: dict[fx.Node, Any]
    below: set[fx.Node]
    values: dict[fx.Node, Any] = field(default_factory=dict)

    @classmethod
    def traced(cls, network: nn.Module, start: str | None, stop: str | None, head: nn.Module | None) -> "_Path":
        nodes, outputs, last = _trace(network)
        begin = last if start is None else _output(outputs, "start", start)
        nodes = nodes[: nodes.index(begin) + 1]
        inputs = {node: node.all_input_nodes for node in nodes}
        held = _held(network, nodes)
        end = _first_relu(nodes, held) if stop is None else _output(outputs, "stop", stop)
        if head is not None:
            nodes, _, last = _trace(head)
            inputs |= {node: [begin] if node.op == "placeholder" else node.all_input_nodes for node in nodes}
            held |= _held(head, nodes)
            begin = last
        below = {end}
        for node, sources in inputs.items():
            if not below.isdisjoint(sources):
                below.add(node)
        if end not in inputs or begin not in below:
            raise UserError(f"excitation_backprop: the neuron does not depend on '{stop}'; stop below it")
        return cls(begin, end, inputs, held, below)

    def run(self, images: Tensor) -> None:
        """One forward pass; what is not needed on the way back is let go."""
        kept = self.below.union(*(self.inputs[node] for node in self.below))
        last_user = {source: node for node, sources in self.inputs.items() for source in sources}
        for node, sources in self.inputs.items():
            if node.op == "get_attr":
                self.values[node] = self.held[node]
            elif node.op == "placeholder" and not sources:
                self.values[node] = images
            else:
                inputs = [self.values[source] for source in sources]
                self.values[node] = rules.run(node, self.held.get(node), inputs)
            for source in sources:
                if last_user[source] is node and source not in kept:
                    del self.values[source]

    def tensors(self, node: fx.Node) -> list[fx.Node]:
        """The inputs of a node that are tensors; a reshape may have sizes as well."""
        return [source for source in self.inputs[node] if isinstance(self.values[source], Tensor)]

    def function(self, node: fx.Node) -> Callable[..., Tensor]:
        """What a node does with its `tensors`."""
        sources, values = self.tensors(node), self.values

        def function(*tensors: Tensor) -> Tensor:
            given = dict(zip(sources, tensors, strict=True))
            inputs = [given.get(source, values[source]) for source in self.inputs[node]]
            return rules.run(node, self.held.get(node), inputs)

        return function

    def rule(self, node: fx.Node) -> Rule | None:
        return rule_of(node, self.held.get(node))

    def takes_in(self, layer: fx.Node) -> bool:
        """Whether a normalisation that reads this node can be folded into its weights."""
        return self.rule(layer) is Rule.WEIGH and len(layer.users) == 1


def _sweep(path: _Path, signals: Tensor, contrastive: bool) -> Tensor:
    """Signals n×B×… at the output of `stop`, for signals at that of `start`."""
    contrasted = _layer_of_neuron(path) if contrastive else None
    waiting, scales = {path.start: signals}, {}
    for node in reversed(path.inputs):
        if node is path.stop:
            break
        if node not in waiting:
            continue
        signals, held, rule = waiting.pop(node), path.held.get(node), path.rule(node)
        sources = path.tensors(node)
        inputs = [path.values[source] for source in sources]
        if rule is Rule.CARRY:
            parts = rules.carry(path.function(node), inputs, signals)
        elif rule is Rule.SHARE:
            parts = rules.share(path.function(node), inputs, signals)
        elif rule is Rule.WEIGH:
            weigh = rules.contrast if node is contrasted else rules.weigh
            parts = [weigh(held, inputs[0], signals, scales.get(node))]
        elif rule is Rule.NORMALISE and path.takes_in(sources[0]):
            scales[sources[0]] = rules.scale_of(held)
            parts = [signals]
        elif rule is Rule.NORMALISE:
            parts = [rules.normalise(held, inputs[0], signals)]
        else:
            raise UserError(
                f"excitation_backprop: no rule for {_name(node)} of the network; there are rules for {rules.SUPPORTED}"
            )
        for source, part in zip(sources, parts, strict=True):
            if source in path.below:
                waiting[source] = waiting[source] + part if source in waiting else part
    return waiting[path.stop]


def _layer_of_neuron(path: _Path) -> fx.Node:
    """The Linear or Conv2d in whose output, carried on, the neuron is."""
    node = path.start
    while node in path.below and path.rule(node) in (Rule.CARRY, Rule.NORMALISE) and len(path.tensors(node)) == 1:
        (node,) = path.tensors(node)
    if node not in path.below or node is path.stop or path.rule(node) is not Rule.WEIGH:
        raise UserError(
            f"excitation_backprop: {_name(path.start)} is not the output of a Linear or Conv2d above the module where "
            "the map is read, so its neurons have no contrast; start elsewhere or set contrastive: false"
        )
    return node


def _one_hot(output: Tensor, neurons: Tensor) -> Tensor:
    """Signals n×B×… with a one at the neurons n or B×n of `output` B×…, counted through each image."""
    images, size = len(output), output[0].numel()
    if neurons.dim() not in (1, 2) or (neurons.dim() == 2 and len(neurons) != images):
        raise ValueError(f"neurons: expected n or {images}×n numbers for {images} images, not {tuple(neurons.shape)}")
    outside = neurons[(neurons < 0) | (neurons >= size)]
    if len(outside):
        raise UserError(f"excitation_backprop: neuron {outside[0]}: the output that it should be in has {size} neurons")
    places = neurons.to(output.device).expand(images, -1).T[..., None]
    signals = torch.zeros(len(places), images, size, dtype=output.dtype, device=output.device)
    return signals.scatter_(2, places, 1).view(-1, *output.shape)


def _trace(network: nn.Module) -> tuple[list[fx.Node], dict[str, fx.Node], fx.Node]:
    """The nodes of a network, those that are outputs of modules by their names, and the output of all."""
    tracer = _Tracer()
    try:
        *nodes, output = tracer.trace(network).nodes
    except (fx.proxy.TraceError, TypeError) as error:
        raise UserError(f"excitation_backprop: {type(network).__name__} cannot be traced: {error}") from None
    if not isinstance(output.args[0], fx.Node):
        raise UserError(f"excitation_backprop: {type(network).__name__} gives several outputs, expected one tensor")
    return nodes, tracer.outputs, output.args[0]


def _held(network: nn.Module, nodes: list[fx.Node]) -> dict[fx.Node, Any]:
    return {node: attrgetter(node.target)(network) for node in nodes if node.op in ("call_module", "get_attr")}


def _output(outputs: dict[str, fx.Node], role: str, name: str) -> fx.Node:
    if name not in outputs:
        raise unknown(f"excitation_backprop: {role}", "module", name, outputs)
    return outputs[name]


def _first_relu(nodes: list[fx.Node], held: dict[fx.Node, Any]) -> fx.Node:
    for node in nodes:
        if rules.operation(node, held.get(node)) in rules.RELUS:
            return node
    raise UserError("excitation_backprop: there is no ReLU below the neuron; say with `stop` where the map is read")


def _name(node: fx.Node) -> str:
    return f"'{node.target if node.op == 'call_module' else node.name}'"

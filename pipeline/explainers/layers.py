"""Outputs of named modules, taken while a network runs forward."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from pipeline.errors import UserError, unknown


@contextmanager
def captured(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Within the block, each forward pass of `network` leaves the outputs of the modules `names` in the yielded dict.

    Names are those of `network.named_modules()`; of several calls of one module the last counts. Outputs hang in the
    graph; where gradients are enabled they can be differentiated by, also in a network whose parameters are frozen.
    Name a module that is not followed by an operation in place, which would overwrite its output. All hooks are gone
    after the block, however it ends. Raises `UserError` for a module that does not exist, does not return a tensor, or
    took no part in the forward pass.
    """
    outputs: dict[str, Tensor] = {}
    modules = [_module(network, name) for name in names]
    with ExitStack() as hooks:
        for name, module in zip(names, modules, strict=True):
            hooks.enter_context(module.register_forward_hook(_keep(name, outputs)))
        yield outputs
    for name in names:
        if name not in outputs:
            raise UserError(f"layers: module '{name}' took no part in the forward pass; name one that does")


def _module(network: nn.Module, name: str) -> nn.Module:
    try:
        return network.get_submodule(name)
    except AttributeError:
        known = (known for known, _ in network.named_modules() if known)
        raise unknown("layers", "module", name, known) from None


def _keep(name: str, outputs: dict[str, Tensor]) -> Callable[[nn.Module, tuple, Tensor], Tensor]:
    def hook(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
        if not isinstance(output, Tensor):
            raise UserError(f"layers: module '{name}' returns a {type(output).__name__}, expected a tensor")
        if torch.is_grad_enabled() and not output.requires_grad:
            # Nothing below is trained: the graph begins here.
            output = output.detach().requires_grad_()
        outputs[name] = output
        return output

    return hook

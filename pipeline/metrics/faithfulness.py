"""How faithfully an explanation network stands in for a logit: F_reg and F_cls (Khorram 2020; xnn.md section 7.1).

Both are of one category: `approximations` M are what the explanation network gives for M examples, in logits. Examples
where a number is not finite count as missing: they are left out, and so is what `where` M (bool) does not hold, such as
all but the positives. Without an example left the answer is NaN.
"""

from torch import Tensor


def regression_error(approximations: Tensor, logits: Tensor, where: Tensor | None = None) -> Tensor:
    """F_reg = mean |ȳ − ŷ| in logits, ≥ 0, for M `approximations` ȳ and M `logits` ŷ of the category."""
    _same_length(approximations, logits, where)
    errors = (approximations.double() - logits.double()).abs()
    return _mean(errors, errors.isfinite(), where)


def decision_agreement(approximations: Tensor, logits: Tensor, category: int, where: Tensor | None = None) -> Tensor:
    """F_cls: share of examples, 0 to 1, whose predicted class stays when ȳ replaces the category's logit.

    `logits` M×C are those of all classes; of equal logits the first wins, as in `argmax`.
    """
    if logits.dim() != 2 or not 0 <= category < logits.shape[1]:
        raise ValueError(f"logits: expected M×C with category {category} among the C, not {tuple(logits.shape)}")
    _same_length(approximations, logits[:, category], where)
    replaced = logits.clone()
    replaced[:, category] = approximations.to(logits)
    usable = approximations.isfinite() & logits.isfinite().all(1)
    return _mean((replaced.argmax(1) == logits.argmax(1)).double(), usable, where)


def constant_control(train_logits: Tensor, count: int) -> Tensor:
    """Approximations of `count` examples by nothing but the mean of the category's finite `train_logits`.

    An F_reg as large as this control's means that there is no faithfulness (xnn.md section 9.7).
    """
    return _mean(train_logits.double(), train_logits.isfinite(), None).expand(count)


def _same_length(approximations: Tensor, logits: Tensor, where: Tensor | None) -> None:
    shapes = [tuple(values.shape) for values in (approximations, logits, where) if values is not None]
    if len(set(shapes)) > 1 or approximations.dim() != 1:
        raise ValueError(f"approximations, logits and where: expected M numbers each, not {shapes}")


def _mean(values: Tensor, usable: Tensor, where: Tensor | None) -> Tensor:
    return values[usable if where is None else usable & where].mean()

"""Detectors of adversarial features: forests by hand, what is clear and what is chance, and what cannot be scored."""

import math
from itertools import product

import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from pipeline.metrics.detection import detection_auc, detection_error, detection_scores


def drawn(seed: int, images: int, shift: float) -> tuple[Tensor, Tensor]:
    """Features of images before and after a change that moves one of them by `shift`."""
    clean = torch.rand(images, 4, generator=torch.Generator().manual_seed(seed))
    return clean, clean + torch.tensor([0, shift, 0, 0])


def scores(shift: float = 0.4, images: int = 30, seeds: tuple[int, ...] = (3, 4)) -> Tensor:
    return detection_scores(*drawn(0, images, shift), *drawn(1, 20, shift), trees=15, seeds=seeds)


def test_scores_are_the_forest_by_hand():
    found = scores()
    clean, adversarial = drawn(0, 30, 0.4)
    rows = [(row, 0) for row in clean.tolist()] + [(row, 1) for row in adversarial.tolist()]
    for position, seed in enumerate((3, 4)):
        forest = RandomForestClassifier(15, random_state=seed).fit(*map(list, zip(*rows, strict=True)))
        wrong = []
        for mark, features in enumerate(drawn(1, 20, 0.4)):
            for number, row in enumerate(features.tolist()):
                assert found[position, mark, number].item() == pytest.approx(forest.predict_proba([row])[0, 1])
                wrong.append(forest.predict([row])[0] != mark)
        assert detection_error(found)[position].item() == pytest.approx(sum(wrong) / 40)
        assert 0 < sum(wrong) < 20, "a toy that tells nothing; change it"


def test_auc_is_the_loop_over_pairs():
    found = scores()
    for forest, area in zip(found.tolist(), detection_auc(found).tolist(), strict=True):
        pairs = [(low < high) + (low == high) / 2 for low, high in product(*forest)]
        assert area == pytest.approx(sum(pairs) / len(pairs))


def test_clear_changes_are_found_and_none_is_a_coin():
    assert (detection_error(scores(2.0)) == 0).all() and (detection_auc(scores(2.0)) == 1).all()
    # Nothing tells the two rows of an image apart: what the detector says of one it says of the other.
    assert (detection_error(scores(0.0)) == 0.5).all()
    assert detection_auc(scores(0.0)).tolist() == pytest.approx([0.5, 0.5])


def test_one_image_is_enough_to_train_on():
    assert (detection_error(scores(2.0, images=1)) <= 0.5).all()


def test_forests_repeat_and_differ_by_seed():
    found = scores(seeds=(3, 4, 3))
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])
    assert torch.equal(found[:2], scores())


def test_without_test_images_nothing_is_known():
    none = torch.zeros(0, 4)
    found = detection_scores(*drawn(0, 9, 1.0), none, none, trees=3, seeds=(0, 1))
    assert found.shape == (2, 2, 0)
    assert detection_error(found).isnan().tolist() == detection_auc(found).isnan().tolist() == [True, True]


def test_score_that_is_nan_spoils_its_own_detector_only():
    found = scores()
    found[0, 1, 5] = math.nan
    for values in (detection_error(found), detection_auc(found)):
        assert values.isnan().tolist() == [True, False]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("part", range(4))
def test_features_that_are_not_finite_are_named(bad, part):
    parts = [*drawn(0, 6, 1.0), *drawn(1, 6, 1.0)]
    parts[part][2, 1] = bad
    with pytest.raises(ValueError, match="not finite"):
        detection_scores(*parts, trees=2, seeds=(0,))


def test_shapes_that_do_not_fit_are_named():
    clean, adversarial = drawn(0, 6, 1.0)
    for parts in ((clean[1:], adversarial, clean, adversarial), (clean, adversarial, clean[:, 1:], adversarial[:, 1:])):
        with pytest.raises(ValueError, match="must be N×K of the same images"):
            detection_scores(*parts, trees=2, seeds=(0,))
    with pytest.raises(ValueError, match="needs images to be trained on"):
        detection_scores(clean[:0], adversarial[:0], clean, adversarial, trees=2, seeds=(0,))

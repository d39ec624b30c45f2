"""Maps before and after the attack, by hand, and what is counted when nothing moves."""

import json

import pytest
from victims import subject

from pipeline.attacks.top_k import top_k
from pipeline.errors import UserError
from pipeline.evaluations.map_robustness import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.explainers.input_gradient import input_gradient
from pipeline.metrics.similarity import display_map, normalised_distance, ssim, top_k_intersection
from pipeline.models import trained
from pipeline.registry import TABLES
from pipeline.settings import parse_slice

METRICS = ["topk_intersection", "ssim", "normalised_distance", "attack_invalid"]


def rows(found: Subject, explainer: dict | None = None, **settings) -> list[Row]:
    small = {"samples": 6, "steps": 3, "step": 0.1, "radii": [0.25, 1.0]}
    block = {"from": "map_robustness", "explainer": explainer or {"from": "input_gradient"}, **small, **settings}
    return evaluate(found, parse_slice("evaluation", json.dumps(block)))


@pytest.mark.parametrize("target", ["label", "prediction"])
def test_rows_are_the_metrics_of_one_image_after_another(target):
    whole = subject()
    found = rows(whole, {"from": "input_gradient", "target": target})
    network, images = whole.network, whole.splits["test"].floats(slice(6))
    targets = whole.splits["test"].labels[:6] if target == "label" else network(images).argmax(1)
    by_radius = {}
    for radius in (0.25, 1.0):
        values = {metric: [] for metric in METRICS}
        for image, label in zip(images.split(1), targets.split(1), strict=True):

            def attribution(points, label=label):
                return input_gradient(network, points, label, create_graph=True)

            attacked = top_k(
                network, attribution, image, radius=radius, steps=3, step=0.1 * radius, share=0.4, softplus=30.0
            )
            before, after = attribution(image).detach(), attribution(attacked.images).detach()
            values["topk_intersection"] += top_k_intersection(before, after, 0.4).tolist()
            values["ssim"] += ssim(display_map(before), display_map(after)).tolist()
            values["normalised_distance"] += normalised_distance(before.abs(), after.abs()).tolist()
            values["attack_invalid"].append(float(not attacked.found))
        by_radius[radius] = {metric: sum(found) / 6 for metric, found in values.items()}
    expected = []
    for metric in METRICS:
        quarter, one = by_radius[0.25][metric], by_radius[1.0][metric]
        expected.append(Row(metric, pytest.approx((quarter + one) / 2, rel=1e-3, abs=1e-6), 6))
        expected.append(Row(metric, pytest.approx(quarter, rel=1e-3, abs=1e-6), 6, subset="radius=0.25"))
        expected.append(Row(metric, pytest.approx(one, rel=1e-3, abs=1e-6), 6, subset="radius=1"))
    assert found == expected


def test_larger_radii_change_maps_more():
    found = {(row.metric, row.subset): row.value for row in rows(subject(), radii=[0.05, 0.5, 2.0], samples=12)}
    for metric, sign in (("topk_intersection", -1), ("ssim", -1), ("normalised_distance", 1)):
        values = [sign * found[metric, f"radius={radius}"] for radius in ("0.05", "0.5", "2")]
        assert values[0] < values[1] < values[2]
    assert 0 < found["topk_intersection", None] < 1 and found["attack_invalid", None] < 0.5


@pytest.mark.parametrize("batch", [2, 500])
def test_batches_do_not_matter(monkeypatch, batch):
    expected = rows(subject())
    monkeypatch.setattr(trained, "BATCH", batch)
    for one, other in zip(expected, rows(subject()), strict=True):
        assert (one.metric, one.n, one.subset) == (other.metric, other.n, other.subset)
        assert one.value == pytest.approx(other.value, rel=1e-3, abs=1e-5)


def test_images_that_nothing_moves_are_not_called_robust():
    for row in rows(subject(), softplus=None):
        if row.metric == "attack_invalid":
            assert (row.value, row.n) == (1.0, 6)
        else:
            assert row.value != row.value and row.n == 0


#: Explainers of pixels, small settings for them, and other values of those that count.
OF_PIXELS = {
    "input_gradient": ({}, {}),
    "input_x_gradient": ({}, {}),
    "integrated_gradients": ({"steps": 3}, {"steps": 4, "baseline": "black"}),
    "smooth_grad": ({"draws": 2}, {"draws": 3, "noise": 0.4}),
    "sparse_moreau_grad": ({"draws": 1, "steps": 3, "average": 2}, {"step": 0.3, "smoothing": 0.5}),
    "sparsified_gradient": ({}, {"keep": 0.5}),
    "sparsified_smooth_grad": ({"draws": 2}, {"keep": 0.5, "cap": 0.2}),
}


@pytest.mark.parametrize("kind", OF_PIXELS)
def test_explainers_of_pixels_are_attacked_with_their_own_settings(kind):
    options, others = OF_PIXELS[kind]
    first, again = (rows(subject(), {"from": kind, **options}, samples=2, steps=1, radii=[1.0]) for _ in range(2))
    assert [row.value for row in first] == [row.value for row in again]
    assert [row.metric for row in first] == [metric for metric in METRICS for _ in range(2)]
    assert first[0].n > 0 and first[0].value < 1
    for name, changed in others.items():
        other = rows(subject(), {"from": kind, **options, name: changed}, samples=2, steps=1, radii=[1.0])
        assert [row.value for row in first] != [row.value for row in other]


@pytest.mark.parametrize("kind", sorted(TABLES["explainer"].keys() - OF_PIXELS.keys()))
def test_other_explainers_are_refused_by_name(kind):
    with pytest.raises(UserError, match=rf"explainer\.from: '{kind}' has no gradient in the image to attack"):
        rows(subject(), {"from": kind})

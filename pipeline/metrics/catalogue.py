"""What each metric is: its name in tables, symbol, unit, range, better direction and source. Imports nothing heavy.

Tables hold shares as 0..1; the unit "%" means that people are shown them times 100.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from pipeline import markdown
from pipeline.errors import unknown

HEAD = """# Metrics

Written by `python -m pipeline metrics > docs/metrics.md` from `pipeline/metrics/catalogue.py`; a test keeps it true.
Tables hold shares as 0..1; the unit "%" means that people are shown them times 100. What a metric answers where it is
not defined (an empty map, a mask without a pixel, a constant feature) stands in its function's docstring.
"""


class Metric(NamedTuple):
    name: str
    title: str
    symbol: str
    unit: str
    low: float | None
    high: float | None
    better: Literal["higher", "lower", "neither"]
    source: str


def table() -> Iterator[str]:
    """Lines of docs/metrics.md."""
    yield HEAD
    yield from markdown.table(
        ("metric", "what it is", "symbol", "unit", "range", "better", "source"),
        (
            (f"`{m.name}`", m.title, m.symbol, m.unit or "–", f"{_end(m.low)}..{_end(m.high)}", m.better, m.source)
            for m in METRICS.values()
        ),
    )


def _end(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def about(name: str) -> Metric:
    """The entry of a metric; raises `UserError` for one that has none."""
    if name not in METRICS:
        raise unknown("pipeline/metrics/catalogue.py", "metric", name, METRICS)
    return METRICS[name]


CSG = "Liang et al. 2020"
INTERVAL = f"{CSG}, appendix A"
GATES = f"{CSG}, appendix C"
FILTERS = f"{CSG}, section 4.3"
CENTRES = f"{CSG}, appendix F"
ADMM = "Khorram et al. 2021"
INTERSECTION = "Ali et al. 2021"
XNN = "Khorram 2020"
OURS = "ours"

METRICS = {
    metric.name: metric
    for metric in (
        # Of the network.
        Metric("accuracy", "Accuracy", "Acc", "%", 0, 1, "higher", CSG),
        Metric("accuracy_grey_background", "Accuracy before grey", "Acc_grey", "%", 0, 1, "higher", OURS),
        Metric("accuracy_other_background", "Accuracy before backgrounds of other classes", "Acc_other", "%", 0, 1,
               "higher", OURS),
        Metric("test_accuracy_last", "Accuracy after the last epoch", "Acc_last", "%", 0, 1, "higher", ADMM),
        Metric("test_accuracy_best", "Accuracy after the best epoch for it", "Acc_best", "%", 0, 1, "neither", ADMM),
        Metric("training_seconds", "Seconds of training", "t", "s", 0, None, "lower", ADMM),
        Metric("reached", "Trainings that reach an accuracy", "P_reach", "%", 0, 1, "higher", ADMM),
        Metric("epochs_to", "Epochs to an accuracy", "e", "epochs", 1, None, "lower", ADMM),
        Metric("seconds_to", "Seconds of training to an accuracy", "t_Acc", "s", 0, None, "lower", ADMM),
        Metric("residual_last", "Relative residual of the constraints at the end", "∣h∣/∣Z∣", "share", 0, None,
               "lower", ADMM),
        Metric("hoyer_bases", "Hoyer sparsity of bases", "s_H", "share", 0, 1, "higher", "Hoyer 2004"),
        Metric("hoyer_coefficients", "Hoyer sparsity of coefficients", "s_W", "share", 0, 1, "higher", "Hoyer 2004"),
        Metric("reconstruction_error", "What a decomposition loses of images", "∣X−WH∣/∣X∣", "share", 0, None,
               "lower", OURS),
        Metric("attack_success", "Attacks that succeed", "ASR", "%", 0, 1, "lower",
               "Narodytska and Kasiviswanathan 2017"),
        Metric("attack_distance_l2", "Euclidean size of successful attacks", "‖δ‖₂", "pixel value", 0, None, "higher",
               "Carlini and Wagner 2017"),
        Metric("attack_distance_linf", "Largest change by successful attacks", "‖δ‖∞", "pixel value", 0, 1, "higher",
               "Goodfellow et al. 2015"),
        Metric("attack_pixels", "Pixels changed by successful attacks", "‖δ‖₀", "pixels", 0, None, "higher",
               "Su et al. 2019"),
        Metric("detection_error", "Errors in telling adversarial from clean features", "Err_det", "%", 0, 1, "lower",
               f"{CSG}, section 5.2"),
        Metric("detection_auc", "Area under the curve of that detector", "AUC_det", "share", 0, 1, "higher",
               f"{CSG}, section 5.2"),
        Metric("detection_size", "Training images of a class that a detector had", "s", "images", 0, None, "neither",
               OURS),
        # Of its filters, gates and features.
        Metric("masked_recall", "Recall of classes whose filters are closed", "Rec_closed", "%", 0, 1, "lower", CSG),
        Metric("kept_recall", "Recall of the other classes", "Rec_kept", "%", 0, 1, "higher", CSG),
        Metric("unmasked_recall", "Recall of the other classes, all filters open", "Rec_all", "%", 0, 1, "neither",
               CSG),
        Metric("closed_filters", "Filters that are closed", "m", "filters", 0, None, "neither", CSG),
        Metric("open_share", "Predictions of the classes whose filters alone are open", "P_open", "%", 0, 1, "higher",
               CSG),
        Metric("confusion", "Images of class y predicted as p", "P(p∣y)", "%", 0, 1, "neither", CSG),
        Metric("cluster_accuracy", "Accuracy of clusters of features", "Acc_cluster", "%", 0, 1, "higher", CENTRES),
        Metric("cluster_centre", "Entry of the cluster centre of a class", "c_yk", "activation", 0, None, "neither",
               CENTRES),
        Metric("centre_distance", "Distance of normalised cluster centres", "‖ĉᵢ−ĉⱼ‖₂", "norm", 0, 2, "neither",
               CENTRES),
        Metric("centre_gate_cosine", "Cosine of cluster centres and gates", "cos(c_y, G_y)", "cosine", 0, 1, "higher",
               CENTRES),
        Metric("mutual_information_score", "Mutual information score", "MIS", "nat", 0, None, "higher", CSG),
        Metric("mutual_information_floor", "MIS of shuffled labels", "MIS₀", "nat", 0, None, "neither", CSG),
        Metric("mutual_information", "Mutual information of filter and class", "M_kc", "nat", 0, None, "higher", CSG),
        Metric("l1_density", "L1-density of the gates", "‖G‖₁/(CK)", "share", 0, 1, "lower", INTERVAL),
        Metric("l1_density_lower", "Lower end of the L1-interval", "1/C", "share", 0, 1, "neither", INTERVAL),
        Metric("l1_density_upper", "Upper end of the L1-interval", "g/(CK)", "share", 0, 1, "neither", INTERVAL),
        Metric("exclusive_filters", "Filters that a class has for itself", "m1", "filters", 0, None, "neither",
               f"{CSG}, appendix E"),
        Metric("shared_filters", "Filters that classes share", "m2", "filters", 0, None, "neither",
               f"{CSG}, appendix E"),
        Metric("weight_correlation", "Correlation of classifier weights and gates", "ρ(W, G)", "correlation", -1, 1,
               "higher", OURS),
        Metric("weight_share", "Classifier weights that lie on open gates", "Σ∣W∣_G/Σ∣W∣", "%", 0, 1, "higher", OURS),
        Metric("gate_similarity", "Cosine of features and gates", "S_yc", "cosine", 0, 1, "neither", GATES),
        Metric("gate_similarity_diagonal", "Cosine of features and own gates", "S_cc", "cosine", 0, 1, "higher", GATES),
        Metric("gate_similarity_off_diagonal", "Cosine of features and other gates", "S_yc, y≠c", "cosine", 0, 1,
               "lower",
               GATES),
        Metric("gate_similarity_difference", "Cosine with own minus other gates", "ΔS", "cosine", -1, 1, "higher",
               GATES),
        Metric("filter_correlation", "Absolute cosine of filters", "P", "cosine", 0, 1, "neither", FILTERS),
        Metric("filter_correlation_within", "Absolute cosine of filters of one class", "P_in", "cosine", 0, 1, "higher",
               FILTERS),
        Metric("filter_correlation_between", "Absolute cosine of filters of two classes", "P_out", "cosine", 0, 1,
               "lower",
               FILTERS),
        Metric("filter_correlation_ratio", "Cosines within over between classes", "P_in/P_out", "ratio", 0, None,
               "higher",
               FILTERS),
        Metric("attribute_fidelity", "Feature fidelity", "d_D", "%", 0, 1, "higher", INTERSECTION),
        Metric("attribute_fidelity_plain", "Feature fidelity without complements", "d_D, u₁", "%", 0, 1, "higher",
               INTERSECTION),
        Metric("attribute_fidelity_present", "Feature fidelity over attributes that occur", "d_D, present", "%", 0, 1,
               "higher", INTERSECTION),
        Metric("attribute_fidelity_floor", "Feature fidelity of a constant", "2π/(1+π)", "%", 0, 1, "neither", OURS),
        Metric("attribute_fidelity_held_out", "Feature fidelity, chosen on training images", "d_D, held out", "%", 0, 1,
               "higher", OURS),
        Metric("attribute_fidelity_null", "Feature fidelity of permuted images", "d_D, null", "%", 0, 1, "neither",
               OURS),
        Metric("probe_accuracy", "Accuracy of linear probes of attributes", "Acc_probe", "%", 0, 1, "higher", XNN),
        Metric("majority_accuracy", "Accuracy of the more frequent value", "Acc_major", "%", 0, 1, "neither", OURS),
        Metric("probe_regularisation", "C of linear probes of attributes", "C", "", 0, None, "neither", OURS),
        Metric("score_concentration", "Concentration of scores in space", "1−H/log(hw)", "share", 0, 1, "neither",
               OURS),
        Metric("score", "Score of a position", "S", "activation", 0, None, "neither", XNN),
        Metric("score_limit", "Largest score over the test images", "max S", "activation", 0, None, "neither", OURS),
        Metric("purity", "Purity of groups", "Pur", "%", 0, 1, "higher", XNN),
        # Of attribution maps.
        Metric("gini", "Gini index of maps", "Gini", "share", 0, 1, "higher", "Hurley and Rickard 2009"),
        Metric("gini_group", "Gini index of groups of a map", "Gini_group", "share", 0, 1, "higher",
               "Gong et al. 2024"),
        Metric("iou", "Overlap of map and object", "IoU", "%", 0, 1, "higher", CSG),
        Metric("iou_half_maximum", "Overlap of object and where a map has half its maximum", "IoU_half", "%", 0, 1,
               "higher", "Adachi and Yamaguchi 2022"),
        Metric("ap", "Images with an overlap of n % or more", "APn", "%", 0, 1, "higher", CSG),
        Metric("focus_filters", "Filters that focus on a class", "∣F_c∣", "filters", 0, None, "neither",
               f"{CSG}, appendix H"),
        Metric("covering_filters", "Filters whose masks cover every image", "F_all", "%", 0, 1, "neither", OURS),
        Metric("pointing_game", "Largest value lies in the object", "PG", "%", 0, 1, "higher", "Zhang et al. 2016"),
        Metric("energy_inside", "Positive attribution inside the object", "E_in", "%", 0, 1, "higher",
               "Wang et al. 2020"),
        Metric("centre_distance", "Distance of a map's centre of mass from the image's centre", "∣c∣", "share", 0, 1,
               "neither", OURS),
        Metric("mask_area", "Part of the image that the object covers", "∣S∣/HW", "%", 0, 1, "neither", OURS),
        Metric("flat_maps", "Maps that are constant", "flat", "%", 0, 1, "neither", OURS),
        Metric("empty_maps", "Maps without a positive value", "empty", "%", 0, 1, "neither", OURS),
        # Of masks that an annotator drew.
        Metric("mask_iou", "Overlap of drawn and human mask", "IoU_mask", "%", 0, 1, "higher", OURS),
        Metric("mask_dice", "Dice coefficient of drawn and human mask", "Dice_mask", "%", 0, 1, "higher", OURS),
        Metric("mask_precision", "Part of the drawn mask inside the human one", "Prec_mask", "%", 0, 1, "higher",
               OURS),
        Metric("mask_recall", "Part of the human mask inside the drawn one", "Rec_mask", "%", 0, 1, "higher", OURS),
        # Of attribution maps again: what they are worth.
        Metric("aopc", "Fall of the prediction, relevant regions first", "AOPC", "share", -1, 1, "higher",
               "Samek et al. 2017"),
        Metric("aopc_random", "Fall of the prediction, regions in random order", "AOPC₀", "share", -1, 1, "neither",
               "Samek et al. 2017"),
        Metric("diffroar", "Accuracy without bottom minus without top pixels", "DiffROAR", "points", -100, 100,
               "higher",
               "Shah et al. 2021"),
        Metric("topk_intersection", "Top of the map that stays", "∣A∩B∣/k", "%", 0, 1, "higher",
               "Ghorbani et al. 2019"),
        Metric("topk_overlap", "Top of the map where people looked", "∣A∩B∣/k", "%", 0, 1, "higher",
               "Gong et al. 2024"),
        Metric("normalised_distance", "Distance of normalised maps", "‖â−â′‖₂", "norm", 0, 2, "lower",
               "Zhang and Farnia 2023"),
        Metric("attack_invalid", "Images whose map no step changed", "invalid", "%", 0, 1, "neither", OURS),
        Metric("ssim", "Structural similarity of maps", "SSIM", "index", -1, 1, "neither", "Wang et al. 2004"),
        Metric("rank_correlation", "Rank correlation of maps", "ρ", "correlation", -1, 1, "neither",
               "Adebayo et al. 2018"),
        # Of an explanation network and its maps.
        Metric("regression_error", "Error of the approximated logit", "F_reg", "logit", 0, None, "lower", XNN),
        Metric("decision_agreement", "Decisions that stay", "F_cls", "%", 0, 1, "higher", XNN),
        Metric("map_correlation", "Correlation of maps", "O1", "norm", 0, None, "lower", XNN),
        Metric("map_correlation_normalised", "Correlation of maps over its largest value", "O1/(n−√n)", "share", 0, 1,
               "lower", OURS),
        Metric("map_log_determinant", "Minus log determinant of the maps' correlations", "O2", "nat", 0, None,
               "lower", XNN),
        Metric("live_features", "Features with a map", "n_live", "features", 0, None, "neither", OURS),
        Metric("part_probability_pixel", "Map at a part's pixel", "S_p(px)", "share", 0, 1, "neither", XNN),
        Metric("part_probability", "Probability of a part, by Voronoi cells", "S_p", "share", 0, 1, "neither", XNN),
        Metric("object_probability", "Probability of an object", "S_o", "share", 0, 1, "neither", XNN),
        Metric("unlabelled_mass", "Map on no object", "S_0", "share", 0, 1, "neither", OURS),
        Metric("locality", "Entropy over parts or objects", "H", "nat", 0, None, "lower", XNN),
    )
}  # fmt: skip

"""How the networks behind a study's results were made, as plain values and in words."""

from itertools import groupby

from pipeline.report.results import Results

#: What two trainings have to share to count as made alike, as checkpoint headers say it.
ENVIRONMENT = ("machine", "device", "precision", "threads", "processes", "versions")


def made_with(results: Results) -> dict:
    """How the study's networks were made, as plain values: the study's settings, the different environments (machine,
    device, precision, threads, processes, versions), and each training with the number of its environment."""
    environments: list[dict] = []
    trainings = []
    for header in results.headers:
        environment = {name: header[name] for name in ENVIRONMENT}
        if environment not in environments:
            environments.append(environment)
        trainings.append(
            {name: header[name] for name in ("dataset", "method", "seed", "code", "train_images")}
            | {"wall_seconds": round(header["wall_seconds"], 1), "environment": environments.index(environment)}
        )
    settings = {name: value for name, value in results.study.slice.items() if name not in ("study", "root")}
    return {"settings": settings, "environments": environments, "trainings": trainings}


def circumstances(made: dict, dataset: str, methods: list[str]) -> str:
    """Dataset, networks, epochs, training images, seeds and machines behind a row, in words."""
    trainings = [one for one in made["trainings"] if one["dataset"] == dataset and one["method"] in methods]
    settings = [made["settings"]["methods"][method] for method in methods]
    seeds = len({one["seed"] for one in trainings})
    parts = (
        [dataset],
        [network_in_words(block["network"]) for block in settings],
        [f"{block['epochs']} epoch{'' if block['epochs'] == 1 else 's'}" for block in settings],
        [f"{one['train_images']} training images" for one in trainings],
        [f"{seeds} seed{'s' if seeds > 1 else ''}"],
        [machine_in_words(made["environments"][one["environment"]]) for one in trainings],
    )
    return "; ".join(" / ".join(dict.fromkeys(part)) for part in parts)


def network_in_words(network: dict) -> str:
    """ "resnet cifar (blocks 3, channels 16-32-64)" of a network's settings."""
    details = [f"{key.replace('_', ' ')} {_in_words(value)}" for key, value in network.items() if key != "from"]
    return network["from"].replace("_", " ") + (f" ({', '.join(details)})" if details else "")


def _in_words(value: object) -> str:
    """A setting's value: a network inside the network like one, and of a list "64-3×128"."""
    if isinstance(value, dict):
        return network_in_words(value)
    if not isinstance(value, list | tuple):
        return str(value)
    runs = [(one, len(list(alike))) for one, alike in groupby(value)]
    return "-".join(f"{count}×{one}" if count > 2 else "-".join([str(one)] * count) for one, count in runs)


def machine_in_words(environment: dict) -> str:
    machine = environment["machine"]
    device = environment["device"]
    return f"{machine['processor']}, {machine['cores']} cores" if device == "cpu" else device

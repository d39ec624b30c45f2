"""Where every artifact lies, and what a study keeps in git.

Rules and command line both ask here, so that a path is written down once.

All functions take and return paths relative to the project's root. `root` is the folder of one scale,
`<run.artifacts_dir>/<run.scale>`; names may be Snakemake wildcards such as "{dataset}".
"""

SPLITS = ("train", "test")


def study_file(study: str, file: str) -> str:
    """A file of the study itself, kept in git."""
    return f"studies/{study}/{file}"


def recorded(study: str, scale: str, file: str) -> str:
    """A file of the results of one scale that are kept in git."""
    return study_file(study, f"recorded/{scale}/{file}")


def dataset(root: str, dataset: str, split: str) -> str:
    return f"{root}/datasets/{dataset}/{split}.parquet"


def model(root: str, dataset: str, method: str, seed: int | str) -> str:
    return f"{root}/models/{dataset}/{method}/{seed}.safetensors"


def history(root: str, dataset: str, method: str, seed: int | str) -> str:
    return f"{root}/models/{dataset}/{method}/{seed}.history.parquet"


def annotator(root: str, dataset: str, annotator: str, seed: int | str) -> str:
    return f"{root}/annotators/{dataset}/{annotator}/{seed}.safetensors"


def annotator_history(root: str, dataset: str, annotator: str, seed: int | str) -> str:
    return f"{root}/annotators/{dataset}/{annotator}/{seed}.history.parquet"


def masks(root: str, dataset: str, annotator: str, seed: int | str) -> str:
    """Masks of the training images, human and drawn."""
    return f"{root}/masks/{dataset}/{annotator}/{seed}.parquet"


def mask_quality(root: str, dataset: str, annotator: str, seed: int | str) -> str:
    """How well drawn masks agree with human ones, as a table of metrics."""
    return f"{root}/masks/{dataset}/{annotator}/{seed}.quality.parquet"


def state(root: str, dataset: str, method: str, seed: int | str) -> str:
    """Folder of an unfinished training's state; not an output, and gone once the training succeeds."""
    return f"{root}/state/{dataset}/{method}/{seed}"


def annotator_state(root: str, dataset: str, annotator: str, seed: int | str) -> str:
    """The same for an annotator."""
    return f"{root}/state/annotators/{dataset}/{annotator}/{seed}"


def explanation(root: str, dataset: str, method: str, explainer: str, seed: int | str) -> str:
    return f"{root}/explanations/{dataset}/{method}/{explainer}/{seed}.parquet"


def evaluation(root: str, evaluation: str, dataset: str, method: str, seed: int | str) -> str:
    return f"{root}/evaluations/{evaluation}/{dataset}/{method}/{seed}.parquet"


def claims(root: str, study: str) -> str:
    return f"{root}/report/{study}.claims.parquet"


def summary(root: str, study: str) -> str:
    return f"{root}/report/{study}.metrics.json"


def curves(root: str, study: str) -> str:
    return f"{root}/report/{study}.curves.json"


def figure(root: str, study: str, figure: str) -> str:
    return f"{root}/report/{study}/{figure}.svg"


def page(root: str, page: str) -> str:
    return f"{root}/report/{page}.html"


def log(root: str, job: str) -> str:
    return f"{root}/logs/{job}.log"


def benchmark(root: str, job: str) -> str:
    return f"{root}/benchmarks/{job}.tsv"

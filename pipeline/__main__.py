"""The command line: one verb per stage, and a few that help.

Rules give every option; by hand, what is left out comes from params.yaml and the overlays named with --configfile.
"""

import argparse
import os
import sys

from pipeline import verbs
from pipeline.errors import UserError, out_of_memory
from pipeline.files import REFUSED

EXAMPLES = """examples:
  python -m pipeline doctor                                 what this machine has and what is missing
  python -m pipeline data list                              datasets: what is ready, what is missing
  python -m pipeline data fetch cub                         download, verify and unpack one
  python -m pipeline data draw cub --raw-dir toy            a small tree in its layout, drawn
  python -m pipeline prepare digits                         raw files to Parquet
  python -m pipeline train_annotator textured_digits pix2pix 0   a network that draws masks
  python -m pipeline annotate textured_digits pix2pix 0     masks of all training images
  python -m pipeline train digits csg 0                     one network: dataset, method, seed
  python -m pipeline explain digits csg input_gradient 0    its attribution maps
  python -m pipeline evaluate accuracy digits csg 0         its numbers
  python -m pipeline claims csg                             verdicts of a study
  python -m pipeline figure csg training_curves             one of its figures
  python -m pipeline report index                           the page
  python -m pipeline record csg                             results worth keeping, into studies/csg/recorded/<scale>/
  python -m pipeline train digits csg 0 --configfile scales/smoke.yaml
  python -m pipeline metrics                                every metric: symbol, range, direction, source
  python -m pipeline explainers                             every explainer: sign, range, resolution, cost, source
  python -m pipeline why                                    what snakemake would run now, and because of what
  python -m pipeline commit                                 record artifacts for git and DVC; restore brings them back
  python -m pipeline cost                                   what the recorded jobs cost
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; returns the exit code, 2 for bad input."""
    args = _parser().parse_args(arguments)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(getattr(args, "threads", None) or 1)
    try:
        args.verb(args)
    except UserError as error:
        print(f"clearbox: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        reason = os.strerror(error.errno)
        print(f"clearbox: {error.filename}: {reason}; make room or choose run.artifacts_dir", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        reason = " ".join(str(error).split("\n")[0].split()) or "no more to be had"
        print(f"clearbox: out of memory ({reason}); lower batch_size, samples or size, or free some", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline",
        description="Stages of the workflow, each by hand. Run from the project's root.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def add(verb, summary: str, *names: str, seed: bool = False, **options: dict) -> argparse.ArgumentParser:
        sub = commands.add_parser(verb.__name__, help=summary, description=summary)
        sub.set_defaults(verb=verb)
        for name in names:
            sub.add_argument(name.removesuffix("?"), nargs="?" if name.endswith("?") else None)
        if seed:
            sub.add_argument("seed", type=int)
        sub.add_argument("--configfile", nargs="+", default=[], metavar="FILE", help="overlays on params.yaml")
        for name, option in options.items():
            sub.add_argument(f"--{name.replace('_', '-')}", **option)
        return sub

    job = {
        "settings": {"metavar": "JSON", "help": "the job's settings (default: from params.yaml)"},
        "code": {"metavar": "DIGEST", "help": "fingerprint the job was planned with; other code is refused"},
    }
    machine = {
        "device": {"choices": ["auto", "cpu", "cuda"], "help": "default: run.device"},
        "threads": {"type": int, "help": "CPU threads (default: run.threads)"},
    }
    path = {"metavar": "PATH", "help": "default: the artifact's place under run.artifacts_dir"}
    paths = {**path, "nargs": "*"}
    optional = {**path, "nargs": "?"}
    add(verbs.prepare, "raw files of a dataset to Parquet", "dataset", output=paths, raw_dir=path,
        threads=machine["threads"], **job)
    raw = add(verbs.data, "datasets: what is ready or missing; fetch; draw in miniature; table of docs", raw_dir=path)
    raw.add_argument("action", choices=["list", "fetch", "draw", "table"])
    raw.add_argument("names", nargs="*", metavar="NAME", help="datasets to fetch or draw, as in `from:`")
    seconds = {"type": float, "metavar": "S", "help": "save the state so often (default: run.save_seconds)"}
    precision = {"choices": ["auto", "fp32", "bf16"], "help": "default: run.precision"}
    processes = {"type": int, "metavar": "N", "help": "processes of this training (default: run.processes)"}
    add(verbs.train_annotator, "train a network that draws masks", "dataset", "annotator", seed=True, data=path,
        model=path, history=path, state=path, save_seconds=seconds, precision=precision, **machine, **job)
    add(verbs.annotate, "masks of all training images, human and drawn, and how well they are drawn", "dataset",
        "annotator", seed=True, model=optional, data=paths, output=paths, **machine, **job)
    masks = {**optional, "help": "table of masks, for methods that train with them (default: by settings)"}
    add(verbs.train, "train one network", "dataset", "method", seed=True, data=path, base=optional, watched=optional,
        masks=masks, model=path, history=path, state=path, save_seconds=seconds, precision=precision,
        processes=processes, **machine, **job)
    add(verbs.explain, "attribution maps of one network", "dataset", "method", "explainer", seed=True, model=path,
        data=path, output=path, **machine, **job)
    add(verbs.evaluate, "measure one network", "evaluation", "dataset", "method", seed=True, model=path, history=path,
        data=paths, maps=paths, output=path, **machine, **job)
    add(verbs.claims, "verdicts on the claims of a study", "study", **job)
    add(verbs.figure, "draw one figure of a study", "study", "figure", **job)
    add(verbs.report, "write the page of a study, or `index` with all", "page", **job)
    add(verbs.record, "keep the finished results of a study in git, under studies/<study>/recorded/<scale>/", "study")
    why = add(verbs.why, "what snakemake would run now, because of which change, and for how long", "target?")
    why.set_defaults(read_command=parser.parse_args)
    add(verbs.cost, "what the recorded jobs of a scale cost")
    add(verbs.commit, "record the artifacts of params.yaml with DVC, and how they were made in provenance.json")
    add(verbs.restore, "after `dvc pull`: tell Snakemake how the artifacts were made, so that nothing runs again")
    add(verbs.metrics, "print every metric with its symbol, range, better direction and source")
    add(verbs.explainers, "print every explainer with the sign, range, resolution and cost of its maps")
    add(verbs.doctor, "what this machine has, what is missing and what to do")
    add(verbs.schema, "print the JSON schema of params.yaml")
    return parser


if __name__ == "__main__":
    sys.exit(main())

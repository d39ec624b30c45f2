"""What each verb of the command line does: from its options, and settings for what is left out, to a stage.

Heavy imports stay inside the verbs.
"""

import argparse
import json
from functools import cache
from importlib import import_module
from typing import Any

from pipeline import layout, provenance, registry, settings, workflow
from pipeline.errors import UserError, unknown
from pipeline.fingerprint import Code
from pipeline.settings.base import Section


def prepare(args: argparse.Namespace) -> None:
    from pipeline.datasets import job

    block = _block(args, "dataset", args.dataset)
    outputs = args.output or [layout.dataset(_root(args), args.dataset, split) for split in layout.SPLITS]
    job.run(
        dataset=import_module(registry.module("dataset", block.kind)),
        draw=registry.load("miniature", block.kind) if block.drawn else None,
        raw_dir=args.raw_dir or _settings(args).run.raw_dir,
        settings=block,
        name=args.dataset,
        outputs=dict(zip(layout.SPLITS, outputs, strict=True)),
        threads=args.threads or _settings(args).run.threads,
        code=_code(args, workflow.prepare_code(block)),
    )


def data(args: argparse.Namespace) -> None:
    from pathlib import Path

    from pipeline.datasets import listing
    from pipeline.settings.datasets import AnyDataset

    found = listing.entries(AnyDataset)
    raw_dir = Path(args.raw_dir or _settings(args).run.raw_dir)
    match args.action:
        case "list":
            listing.show(found, raw_dir)
        case "fetch":
            listing.fetch(found, args.names, raw_dir)
        case "draw":
            listing.draw(found, args.names, args.raw_dir)
        case "table":
            print(*listing.table(found), sep="\n")


def train_annotator(args: argparse.Namespace) -> None:
    from pipeline.annotators import job

    block = _block(args, "annotator", args.annotator)
    place = (args.dataset, args.annotator, args.seed)
    job.train(
        annotator=import_module(registry.module("annotator", block.kind)),
        settings=block,
        dataset=args.dataset,
        name=args.annotator,
        seed=args.seed,
        data=args.data or layout.dataset(_root(args), args.dataset, "train"),
        model=args.model or layout.annotator(_root(args), *place),
        history=args.history or layout.annotator_history(_root(args), *place),
        state=args.state or layout.annotator_state(_root(args), *place),
        save_seconds=_settings(args).run.save_seconds if args.save_seconds is None else args.save_seconds,
        precision=args.precision or _settings(args).run.precision,
        **_machine(args),
        code=_code(args, workflow.annotator_code(block)),
    )


def annotate(args: argparse.Namespace) -> None:
    from pipeline.annotators import job

    block = _block(args, "annotator", args.annotator)
    place = (args.dataset, args.annotator, args.seed)
    data = args.data or [layout.dataset(_root(args), args.dataset, split) for split in layout.SPLITS]
    masks, quality = args.output or [layout.masks(_root(args), *place), layout.mask_quality(_root(args), *place)]
    _code(args, workflow.annotator_code(block))
    job.annotate(
        annotator=import_module(registry.module("annotator", block.kind)),
        settings=block,
        dataset=args.dataset,
        name=args.annotator,
        seed=args.seed,
        model=None if block.share == 1 else args.model or layout.annotator(_root(args), *place),
        data=dict(zip(layout.SPLITS, data, strict=True)),
        masks=masks,
        quality=quality,
        **_machine(args),
    )


def train(args: argparse.Namespace) -> None:
    from pipeline.training import launch

    block = _block(args, "method", args.method)
    processes = args.processes or _settings(args).run.processes
    launch.spread(block, args.method, processes, _asked(args)["threads"])
    from pipeline.training import job
    from pipeline.training.group import joined

    place = (args.dataset, args.method, args.seed)
    base = args.base
    if block.base and not base:
        base = layout.model(_root(args), args.dataset, block.base, args.seed)
    pretrained = None if base else block.network.pretrained_file
    watched = layout.dataset(_root(args), args.dataset, "test") if block.watch_test else None
    masks = layout.masks(_root(args), args.dataset, block.masks_by, args.seed) if block.masks_by else None
    with joined(_asked(args)["device"]) as group:
        job.run(
            fit=registry.load("method", block.kind),
            build=registry.load("network", block.network.kind),
            settings=block,
            dataset=args.dataset,
            method=args.method,
            seed=args.seed,
            data=args.data or layout.dataset(_root(args), args.dataset, "train"),
            base=base,
            pretrained=pretrained,
            watched=args.watched or watched,
            masks=args.masks or masks,
            model=args.model or layout.model(_root(args), *place),
            history=args.history or layout.history(_root(args), *place),
            state=args.state or layout.state(_root(args), *place),
            save_seconds=_settings(args).run.save_seconds if args.save_seconds is None else args.save_seconds,
            precision=args.precision or _settings(args).run.precision,
            **_machine(args, group),
            group=group,
            code=_code(args, workflow.train_code(block)),
        )


def explain(args: argparse.Namespace) -> None:
    from pipeline.checkpoints import read_header
    from pipeline.explainers import job

    block = _block(args, "explainer", args.explainer)
    place = (args.dataset, args.method, args.explainer, args.seed)
    model = args.model or layout.model(_root(args), args.dataset, args.method, args.seed)
    _code(args, workflow.explain_code(block, _network(read_header(model))))
    job.run(
        explain=registry.load("explainer", block.kind),
        settings=block,
        model=model,
        data=args.data or layout.dataset(_root(args), args.dataset, "test"),
        output=args.output or layout.explanation(_root(args), *place),
        **_machine(args),
    )


def evaluate(args: argparse.Namespace) -> None:
    from pipeline.checkpoints import read_header
    from pipeline.evaluations import job

    block = _block(args, "evaluation", args.evaluation)
    run = (args.dataset, args.method, args.seed)
    model = args.model or layout.model(_root(args), *run)
    images = block.measured_on or args.dataset
    data = args.data or [layout.dataset(_root(args), images, split) for split in block.splits]
    maps = args.maps or [
        layout.explanation(_root(args), args.dataset, args.method, name, args.seed) for name in block.explainers
    ]
    _code(args, workflow.evaluate_code(block, _network(read_header(model))))
    job.run(
        evaluate=registry.load("evaluation", block.kind),
        settings=block,
        model=model,
        history=args.history or layout.history(_root(args), *run),
        data=dict(zip(block.splits, data, strict=True)),
        maps=dict(zip(block.explainers, maps, strict=True)),
        output=args.output or layout.evaluation(_root(args), args.evaluation, *run),
        **_machine(args),
    )


def claims(args: argparse.Namespace) -> None:
    from pipeline.report import claims as job
    from pipeline.study import Study

    study = Study(_study(args, args.study))
    _code(args, workflow.claims_code())
    place = (study.root, study.name)
    job.run(study=study, table=layout.claims(*place), summary=layout.summary(*place), curves=layout.curves(*place))


def figure(args: argparse.Namespace) -> None:
    from pipeline.report import draw as job
    from pipeline.study import Study

    study = Study(_study(args, args.study))
    draw = registry.load("figure", args.figure)
    _code(args, workflow.figure_code(args.figure))
    job.run(draw=draw, study=study, output=layout.figure(study.root, study.name, args.figure))


def report(args: argparse.Namespace) -> None:
    from pipeline.report import page as job
    from pipeline.study import Study

    if args.settings:
        slices = _plain(args.settings)
    else:
        names = list(_settings(args).studies) if args.page == workflow.INDEX else [args.page]
        slices = [_study(args, name) for name in names]
    _code(args, workflow.page_code())
    job.run(studies=[Study(one) for one in slices], output=layout.page(slices[0]["root"], args.page))


def record(args: argparse.Namespace) -> None:
    from pipeline import recorded as job
    from pipeline.study import Study

    job.run(Study(_study(args, args.study)), args.configfile)


def metrics(args: argparse.Namespace) -> None:
    from pipeline.metrics import catalogue

    print(*catalogue.table(), sep="\n")


def explainers(args: argparse.Namespace) -> None:
    from pipeline.explainers import catalogue

    print(*catalogue.table(), sep="\n")


def doctor(args: argparse.Namespace) -> None:
    from pipeline.doctor import run

    run(_settings(args))


def why(args: argparse.Namespace) -> None:
    from pipeline import why as job

    job.run(args.target, args.configfile, read_command=args.read_command)


def cost(args: argparse.Namespace) -> None:
    from pipeline.cost import run

    run(_root(args), list(workflow.Plan(_settings(args)).studies.values()))


def commit(args: argparse.Namespace) -> None:
    from pipeline import versioning

    versioning.commit(_root(args))


def restore(args: argparse.Namespace) -> None:
    from pipeline import versioning

    versioning.restore()


def schema(args: argparse.Namespace) -> None:
    print(json.dumps(settings.json_schema(), indent=1, ensure_ascii=False))


@cache
def _load(files: tuple[str, ...]) -> settings.Settings:
    return settings.load("params.yaml", *files)


def _settings(args: argparse.Namespace) -> settings.Settings:
    return _load(tuple(args.configfile))


def _asked(args: argparse.Namespace) -> dict[str, Any]:
    """Device and threads, as given or by settings."""
    return {name: getattr(args, name) or getattr(_settings(args).run, name) for name in ("device", "threads")}


def _machine(args: argparse.Namespace, *group: Any) -> dict[str, Any]:
    """Device and threads of a job, which gets a GPU of its own where it takes one; in a `group` if it is not alone."""
    from pipeline.training.lease import own_gpu

    asked = _asked(args)
    own_gpu(asked["device"], *group)
    return asked


def _root(args: argparse.Namespace) -> str:
    return _settings(args).run.root


def _block(args: argparse.Namespace, noun: str, name: str) -> Section:
    """The job's slice: given with --settings, else the instance `name` of the settings."""
    if args.settings:
        return settings.parse_slice(noun, args.settings)
    known = getattr(_settings(args), f"{noun}s")
    if name not in known:
        raise unknown("params.yaml", noun, name, known)
    return known[name]


def _study(args: argparse.Namespace, name: str) -> dict:
    if getattr(args, "settings", None):
        return _plain(args.settings)
    if name not in _settings(args).studies:
        raise unknown("params.yaml", "study", name, _settings(args).studies)
    return workflow.study_slice(_settings(args), name)


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"--settings: not JSON ({error}); leave it out to take the settings of params.yaml") from None


def _network(header: dict) -> Section:
    return settings.parse_slice("network", json.dumps(header["settings"]["network"]))


def _code(args: argparse.Namespace, code: Code) -> str:
    """The fingerprint of the code that runs; refuses to run other code than the job was planned with.

    The modules are imported first, so that an edit while the job starts is in the fingerprint if it is in the modules.
    """
    for name in code.modules:
        import_module(name)
    actual = code.digest
    if args.code and args.code != actual:
        raise UserError(f"the code changed after this job was planned ({args.code} -> {actual}); run snakemake again")
    provenance.remember(code)
    return actual

"""What the recorded jobs of a scale cost, for `python -m pipeline cost`."""

from pipeline import provenance
from pipeline.errors import UserError
from pipeline.study import Study

SLOWEST = 10


def run(root: str, studies: list[Study]) -> None:
    """Print totals by phase, by study and of the scale, and the slowest jobs: wall and CPU seconds, peak memory in MiB.

    A job that several studies share counts for each of them.
    """
    costs = provenance.costs(root)
    if not costs:
        raise UserError(f"{root}/benchmarks: no records; run snakemake first, or name another scale with --configfile")
    print(f"{'':44} {'jobs':>5} {'wall s':>9} {'CPU s':>9} {'peak MiB':>9}")
    for phase in dict.fromkeys(job.split("/")[0] for job in costs):
        print(line(phase, [cost for job, cost in costs.items() if job.split("/")[0] == phase]))
    for study in studies:
        outputs = [*study.tables(), *study.annotators(), *study.masks(), *study.models()]
        outputs += [*study.explanations(), *study.evaluations(), *study.figures()]
        jobs = {provenance.job_of(output, root) for output in outputs} | {f"report/{study.name}.claims"}
        print(line(f"study {study.name}", [cost for job, cost in costs.items() if job in jobs]))
    print(line(f"{root}, all", list(costs.values())))
    print(f"\nslowest {min(SLOWEST, len(costs))}")
    for job, cost in list(costs.items())[:SLOWEST]:
        print(line(job, [cost]))


def line(name: str, group: list[dict[str, float]]) -> str:
    seconds, cpu = sum(cost["seconds"] for cost in group), sum(cost["cpu"] for cost in group)
    peak = max((cost["memory"] for cost in group), default=0)
    return f"{name:44} {len(group):5} {seconds:9.1f} {cpu:9.1f} {peak:9.0f}"

"""What the recorded jobs of a scale cost, for `python -m pipeline cost`."""

from pipeline import provenance
from pipeline.errors import UserError

SLOWEST = 10


def run(root: str) -> None:
    """Print totals by phase and the slowest jobs: wall seconds, CPU seconds, peak memory in MiB."""
    costs = provenance.costs(root)
    if not costs:
        raise UserError(f"{root}/benchmarks: no records; run snakemake first, or name another scale with --configfile")
    phases: dict[str, list[dict[str, float]]] = {}
    for job, cost in costs.items():
        phases.setdefault(job.split("/")[0], []).append(cost)
    print(f"{'':44} {'jobs':>5} {'wall s':>9} {'CPU s':>9} {'peak MiB':>9}")
    for phase, group in phases.items():
        print(line(phase, group))
    print(line(f"{root}, all", list(costs.values())))
    print(f"\nslowest {min(SLOWEST, len(costs))}")
    for job, cost in list(costs.items())[:SLOWEST]:
        print(line(job, [cost]))


def line(name: str, group: list[dict[str, float]]) -> str:
    seconds, cpu = sum(cost["seconds"] for cost in group), sum(cost["cpu"] for cost in group)
    return f"{name:44} {len(group):5} {seconds:9.1f} {cpu:9.1f} {max(cost['memory'] for cost in group):9.0f}"

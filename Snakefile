# Clearbox: datasets -> models -> explanations -> evaluations -> report. Docs: README.md, docs/architecture.md.
# Targets: all (default), datasets, models, explanations, evaluations, report, and the name of each study.
import shlex
import sys

from pipeline import driver, layout
from pipeline.workflow import INDEX, growing, plan_or_exit

attending = driver.attend()
given = workflow.config_settings
plan = plan_or_exit(given.configfiles, given.config, driving=workflow.is_main_process)
ROOT = plan.root
RUN = plan.settings.run

# Jobs run under the interpreter that runs Snakemake, whether or not its environment is activated; only with
# --software-deployment-method under that of envs/clearbox.yaml.
if not workflow.deployment_settings.deployment_method:
    shell.prefix(f"python() {{{{ {shlex.quote(sys.executable)} \"$@\"; }}}}; ")

wildcard_constraints:
    **{
        noun: "[a-z0-9_]+"
        for noun in ("dataset", "annotator", "method", "explainer", "evaluation", "study", "figure", "page")
    },
    seed="[0-9]+",

localrules: all, datasets, models, explanations, evaluations, report

rule all:
    default_target: True
    input:
        layout.page(ROOT, INDEX),

rule datasets:
    input:
        plan.all("tables"),

rule models:
    input:
        plan.all("models"),
        plan.all("masks"),

rule explanations:
    input:
        plan.all("explanations"),

rule evaluations:
    input:
        plan.all("evaluations"),

rule report:
    input:
        layout.page(ROOT, INDEX),

for study in plan.studies:
    rule:
        name: study
        localrule: True
        input:
            layout.page(ROOT, study),

include: "rules/datasets.smk"
include: "rules/annotator.smk"
include: "rules/methods.smk"
include: "rules/explanations.smk"
include: "rules/evaluations.smk"
include: "rules/report.smk"

onstart:
    driver.rest(workflow.scheduler)
    plan.hand_on(workflow.dag.needrun_jobs())

onsuccess:
    for page in {file for job in workflow.dag.targetjobs for file in job.input if file.endswith(".html")}:
        print(f"Report: {page}")

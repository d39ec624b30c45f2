rule claims:
    message:
        "Judge the claims of {wildcards.study}"
    input:
        evaluations=plan.of_study("evaluations"),
        histories=plan.of_study("histories"),
        qualities=plan.of_study("mask_qualities"),
        claims="studies/{study}/claims.yaml",
        published="studies/{study}/published.csv",
    output:
        table=layout.claims(ROOT, "{study}"),
        summary=layout.summary(ROOT, "{study}"),
        curves=layout.curves(ROOT, "{study}"),
    params:
        settings=plan.study_slice,
        code=plan.claims_code,
    log:
        layout.log(ROOT, "report/{study}.claims"),
    benchmark:
        layout.benchmark(ROOT, "report/{study}.claims")
    conda:
        "../envs/clearbox.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    shell:
        "python -m pipeline claims {wildcards.study} --settings {params.settings:q} --code {params.code}"
        " > {log:q} 2>&1"


rule figure:
    message:
        "Draw {wildcards.figure} of {wildcards.study}"
    input:
        plan.of_study("tables"),
        plan.of_study("masks"),
        plan.of_study("mask_qualities"),
        plan.of_study("models"),
        plan.of_study("histories"),
        plan.of_study("explanations"),
        plan.of_study("evaluations"),
        plan.of_study("printed"),
    output:
        report(
            layout.figure(ROOT, "{study}", "{figure}"),
            category="{study}",
            subcategory="Figures",
            labels={"figure": "{figure}"},
            caption="../pipeline/report/captions/figure.rst",
        ),
    params:
        settings=plan.study_slice,
        code=plan.figure_code,
    log:
        layout.log(ROOT, "report/{study}/{figure}"),
    benchmark:
        layout.benchmark(ROOT, "report/{study}/{figure}")
    conda:
        "../envs/clearbox.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    shell:
        "python -m pipeline figure {wildcards.study} {wildcards.figure} --settings {params.settings:q}"
        " --code {params.code} > {log:q} 2>&1"


rule page:
    message:
        "Write the page {wildcards.page}"
    input:
        plan.of_page("verdicts"),
        plan.of_page("figures"),
        plan.of_page("tables"),
        plan.of_page("models"),
        plan.of_page("evaluations"),
        plan.of_page("mask_qualities"),
        plan.of_page("compared"),
    output:
        report(
            layout.page(ROOT, "{page}"),
            category="Report",
            labels={"page": "{page}"},
            caption="../pipeline/report/captions/page.rst",
        ),
    params:
        settings=plan.page_slice,
        code=plan.page_code,
    log:
        layout.log(ROOT, "report/{page}.page"),
    conda:
        "../envs/clearbox.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    shell:
        "python -m pipeline report {wildcards.page} --settings {params.settings:q} --code {params.code}"
        " > {log:q} 2>&1"

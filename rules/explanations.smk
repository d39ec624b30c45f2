rule explain:
    message:
        "Explain {wildcards.method} on {wildcards.dataset}, seed {wildcards.seed}, by {wildcards.explainer}"
    input:
        model=layout.model(ROOT, "{dataset}", "{method}", "{seed}"),
        data=layout.dataset(ROOT, "{dataset}", "test"),
    output:
        layout.explanation(ROOT, "{dataset}", "{method}", "{explainer}", "{seed}"),
    params:
        settings=plan.slice("explainer"),
        code=plan.explain_code,
    log:
        layout.log(ROOT, "explanations/{dataset}/{method}/{explainer}/{seed}"),
    benchmark:
        layout.benchmark(ROOT, "explanations/{dataset}/{method}/{explainer}/{seed}")
    conda:
        "../envs/clearbox.yaml"
    threads: RUN.threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=RUN.gpu,
        device=RUN.device,
    shell:
        "python -m pipeline explain {wildcards.dataset} {wildcards.method} {wildcards.explainer} {wildcards.seed}"
        " --settings {params.settings:q} --code {params.code}"
        " --model {input.model:q} --data {input.data:q} --output {output:q}"
        " --device {resources.device} --threads {threads} > {log:q} 2>&1"

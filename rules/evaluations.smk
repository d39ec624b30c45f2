rule evaluate:
    message:
        "Measure {wildcards.evaluation} of {wildcards.method} on {wildcards.dataset}, seed {wildcards.seed}"
    input:
        model=layout.model(ROOT, "{dataset}", "{method}", "{seed}"),
        history=layout.history(ROOT, "{dataset}", "{method}", "{seed}"),
        data=plan.evaluation_data,
        maps=plan.evaluation_maps,
    output:
        layout.evaluation(ROOT, "{evaluation}", "{dataset}", "{method}", "{seed}"),
    params:
        settings=plan.slice("evaluation"),
        code=plan.evaluate_code,
    log:
        layout.log(ROOT, "evaluations/{evaluation}/{dataset}/{method}/{seed}"),
    benchmark:
        layout.benchmark(ROOT, "evaluations/{evaluation}/{dataset}/{method}/{seed}")
    conda:
        "../envs/clearbox.yaml"
    threads: RUN.threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=RUN.gpu,
        device=RUN.device,
    shell:
        "python -m pipeline evaluate {wildcards.evaluation} {wildcards.dataset} {wildcards.method} {wildcards.seed}"
        " --settings {params.settings:q} --code {params.code}"
        " --model {input.model:q} --history {input.history:q} --data {input.data:q} --maps {input.maps:q} --output {output:q}"
        " --device {resources.device} --threads {threads} > {log:q} 2>&1"

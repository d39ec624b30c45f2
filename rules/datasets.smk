rule prepare:
    message:
        "Prepare {wildcards.dataset}"
    output:
        train=layout.dataset(ROOT, "{dataset}", "train"),
        test=layout.dataset(ROOT, "{dataset}", "test"),
    params:
        settings=plan.slice("dataset"),
        code=plan.prepare_code,
        raw_dir=RUN.raw_dir,
    log:
        layout.log(ROOT, "datasets/{dataset}"),
    benchmark:
        layout.benchmark(ROOT, "datasets/{dataset}")
    conda:
        "../envs/clearbox.yaml"
    threads: RUN.threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    shell:
        "python -m pipeline prepare {wildcards.dataset} --settings {params.settings:q} --code {params.code}"
        " --threads {threads} --raw-dir {params.raw_dir:q} --output {output.train:q} {output.test:q} > {log:q} 2>&1"

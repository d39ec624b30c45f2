rule train:
    message:
        "Train {wildcards.method} on {wildcards.dataset}, seed {wildcards.seed}"
    input:
        data=layout.dataset(ROOT, "{dataset}", "train"),
        base=plan.base_model,
        pretrained=plan.pretrained,
        watched=plan.watched,
        masks=plan.masks,
    output:
        model=layout.model(ROOT, "{dataset}", "{method}", "{seed}"),
        history=layout.history(ROOT, "{dataset}", "{method}", "{seed}"),
    params:
        settings=plan.slice("method"),
        code=plan.train_code,
        precision=RUN.precision,
        state=layout.state(ROOT, "{dataset}", "{method}", "{seed}"),
    log:
        layout.log(ROOT, "models/{dataset}/{method}/{seed}"),
    benchmark:
        layout.benchmark(ROOT, "models/{dataset}/{method}/{seed}")
    conda:
        "../envs/clearbox.yaml"
    threads: max(RUN.threads, RUN.processes)
    resources:
        mem_mb=growing(4000),
        runtime=growing(720),
        gpu=RUN.gpu,
        device=RUN.device,
        processes=RUN.processes,
        save_seconds=RUN.save_seconds,
    shell:
        "python -m pipeline train {wildcards.dataset} {wildcards.method} {wildcards.seed}"
        " --settings {params.settings:q} --code {params.code} --precision {params.precision}"
        " --data {input.data:q} --base {input.base:q} --watched {input.watched:q} --masks {input.masks:q}"
        " --model {output.model:q} --history {output.history:q}"
        " --state {params.state:q} --save-seconds {resources.save_seconds}"
        " --device {resources.device} --threads {threads} --processes {resources.processes} > {log:q} 2>&1"

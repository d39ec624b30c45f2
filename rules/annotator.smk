rule train_annotator:
    message:
        "Train annotator {wildcards.annotator} on {wildcards.dataset}, seed {wildcards.seed}"
    input:
        data=layout.dataset(ROOT, "{dataset}", "train"),
    output:
        model=layout.annotator(ROOT, "{dataset}", "{annotator}", "{seed}"),
        history=layout.annotator_history(ROOT, "{dataset}", "{annotator}", "{seed}"),
    params:
        settings=plan.slice("annotator"),
        code=plan.annotator_code,
        precision=RUN.precision,
        state=layout.annotator_state(ROOT, "{dataset}", "{annotator}", "{seed}"),
    log:
        layout.log(ROOT, "annotators/{dataset}/{annotator}/{seed}"),
    benchmark:
        layout.benchmark(ROOT, "annotators/{dataset}/{annotator}/{seed}")
    conda:
        "../envs/clearbox.yaml"
    threads: RUN.threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(720),
        gpu=RUN.gpu,
        device=RUN.device,
        save_seconds=RUN.save_seconds,
    shell:
        "python -m pipeline train_annotator {wildcards.dataset} {wildcards.annotator} {wildcards.seed}"
        " --settings {params.settings:q} --code {params.code} --precision {params.precision}"
        " --data {input.data:q} --model {output.model:q} --history {output.history:q}"
        " --state {params.state:q} --save-seconds {resources.save_seconds}"
        " --device {resources.device} --threads {threads} > {log:q} 2>&1"


rule annotate:
    message:
        "Annotate {wildcards.dataset} by {wildcards.annotator}, seed {wildcards.seed}"
    input:
        model=plan.annotator_model,
        train=layout.dataset(ROOT, "{dataset}", "train"),
        test=layout.dataset(ROOT, "{dataset}", "test"),
    output:
        masks=layout.masks(ROOT, "{dataset}", "{annotator}", "{seed}"),
        quality=layout.mask_quality(ROOT, "{dataset}", "{annotator}", "{seed}"),
    params:
        settings=plan.slice("annotator"),
        code=plan.annotator_code,
    log:
        layout.log(ROOT, "masks/{dataset}/{annotator}/{seed}"),
    benchmark:
        layout.benchmark(ROOT, "masks/{dataset}/{annotator}/{seed}")
    conda:
        "../envs/clearbox.yaml"
    threads: RUN.threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu=RUN.gpu,
        device=RUN.device,
    shell:
        "python -m pipeline annotate {wildcards.dataset} {wildcards.annotator} {wildcards.seed}"
        " --settings {params.settings:q} --code {params.code}"
        " --model {input.model:q} --data {input.train:q} {input.test:q} --output {output.masks:q} {output.quality:q}"
        " --device {resources.device} --threads {threads} > {log:q} 2>&1"

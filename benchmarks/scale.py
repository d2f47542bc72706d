"""What a job costs before the first recording is decoded, for corpora of any size.

`python -m benchmarks.scale --references 1000 100000` writes manifests of small files, which stand for recordings and
are never decoded, and measures each in processes of its own: what the launcher needs until a job could be submitted,
and what listing, identity and planning need until every task is known, the second time with nothing new to read.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from soundseam.pipeline.config import load_config
from soundseam.pipeline.input.inputs import check_inputs
from soundseam.pipeline.launch import RunRequest
from soundseam.pipeline.stages.context import RunContext
from soundseam.pipeline.stages.graph import build_job, run_pipeline
from soundseam.pipeline.stages.planning import PlanInputs
from soundseam.pipeline.stages.shard import Job, PlanCounts
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER, prepare_output

FOLDER_FILES = 1000
MIB = 2**20


def write_corpus(folder: Path, references: int) -> Path:
    """A manifest of `references` lines, each a file of its own with bytes of its own."""
    manifest = folder / "corpus.jsonl"
    with manifest.open("w", encoding="utf-8") as lines:
        for number in range(references):
            name = f"{number // FOLDER_FILES:05d}/{number:08d}.wav"
            if number % FOLDER_FILES == 0:
                (folder / name).parent.mkdir()
            (folder / name).write_text(f"no audio, number {number}", encoding="utf-8")
            lines.write(json.dumps({"uri": name, "id": f"n{number}", "license": "CC0-1.0", "language": "en"}) + "\n")
    return manifest


def launch(request: RunRequest) -> Mapping[str, float]:
    """What the launcher does before it submits a job, and the size of what it submits."""
    check_inputs(request.inputs, request.output)
    pipeline = beam.Pipeline(options=PipelineOptions([]))
    build_job(pipeline, job_of(request), RunContext(request.output, config=load_config(request.profile)))
    return {"serialised": pipeline.to_runner_api().ByteSize() / MIB}


def plan(request: RunRequest) -> Mapping[str, float]:
    """From the inputs as they were typed to all tasks, on Beam's runner in this process."""
    job = job_of(request)

    def build(pipeline: beam.Pipeline) -> None:
        planned = pipeline | PlanInputs(job, load_config(request.profile))
        _ = planned.tasks | beam.Map(type)

    run_pipeline(build)
    planned = PlanCounts.model_validate_json(files.read_bytes(job.report_uri("planned")))
    files.delete([job.report_uri("planned")])
    return {"tasks": planned.stage_commits.get("segments", 0), "recordings": planned.to_do}


def job_of(request: RunRequest) -> Job:
    shards = prepare_output(request.output)
    return Job(inputs=request.inputs, output=request.output, shards=shards, max_retries=3, name="scale")


MEASURED: Mapping[str, Callable[[RunRequest], Mapping[str, float]]] = {"launch": launch, "plan": plan}


def measure(what: str, manifest: Path, output: Path) -> dict[str, float]:
    """One of `MEASURED`, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale", "--measure", what, str(manifest), str(output)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return found


def measured_here(what: str, manifest: str, output: str) -> dict[str, float]:
    request = RunRequest(inputs=(manifest,), output=output, runner="PortableRunner")
    before = resource.getrusage(resource.RUSAGE_SELF)
    start_s = time.monotonic()
    found = MEASURED[what](request)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        **found,
        "seconds": time.monotonic() - start_s,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "memory": after.ru_maxrss * 1024 / MIB,
    }


def table_lines(references: int, folder: Path) -> None:
    output = folder / "out"
    manifest = write_corpus(folder, references)
    submitted = measure("launch", manifest, output)
    print(f"\n{references:,} references")
    print(
        f"  launcher, until it submits   {submitted['seconds']:8.1f} s {submitted['memory']:8.0f} MiB"
        f"   serialised {submitted['serialised']:8.2f} MiB"
    )
    for name in ("expand to plan", "the same again"):
        planned = measure("plan", manifest, output)
        written = files.list_files(files.join(str(output), RUN_FOLDER))
        print(
            f"  {name:28} {planned['seconds']:8.1f} s {planned['memory']:8.0f} MiB   {planned['cpu']:.1f} s CPU, "
            f"{planned['recordings']:,.0f} recordings in {planned['tasks']:,.0f} tasks, {len(written)} files in _run"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--folder", help="where to write the files; by default the temporary folder")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measured_here(*chosen.measure)))
        return
    for references in chosen.references:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            table_lines(references, Path(folder))


if __name__ == "__main__":
    main()

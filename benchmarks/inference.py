"""The work "infer": detect() on one photo of 1024², its parts, batches and a folder of mixed sizes."""

from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack
from typing import Any

from benchmarks import contest, gemm
from benchmarks.contest import Entry, Spread, play, print_ratio, print_times, ratio, spread
from benchmarks.workers import Worker

NETWORK = ("trunk", "box head", "mask head")
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
YARDSTICK = "benchmarks.torchvision_yardstick:detection"
RATIOS = (
    ("ours float32", "torchvision float32"), ("ours bfloat16", "torchvision float32"), ("ours bfloat16", "torchvision bfloat16"),
    ("ours bfloat16", "ours float32"),
)  # fmt: skip
THROUGHPUT_SIZE = 1024  # batches and folder are played at this size only
BATCHES = ("batch 1", "batch 2", "batch 4")


def run(options: Namespace, notes: list[str]) -> dict[str, Any]:
    """Play the contests of inference and print them.

    Args:
        options: rounds, size, torch_python.
        notes: What was skipped is added here.

    Returns:
        All figures, for the JSON file.
    """
    return {
        "whole": whole(options, notes),
        "parts": {name: parts(options, name) for name in PRECISIONS},
        "throughput": throughput(options) if options.size == THROUGHPUT_SIZE else _without_throughput(options, notes),
    }


def _without_throughput(options: Namespace, notes: list[str]) -> None:
    notes.append(f"infer: throughput left out, its photos are made for {THROUGHPUT_SIZE} px and --size is {options.size}")
    print(f"\n{notes[-1]}")


def whole(options: Namespace, notes: list[str]) -> dict[str, Any]:
    """detect() against torchvision's, in float32 and bfloat16."""
    print(f"\ninfer: the whole detect(), one photo of {options.size} px, {options.rounds} rounds in turns")
    with ExitStack() as stack:
        entries: dict[str, Entry] = {}
        for short, policy in PRECISIONS.items():
            worker = stack.enter_context(Worker("benchmarks.ours:detection", {"size": options.size, "PRECISION": policy}))
            entries[f"ours {short}"] = Entry(f"ours {short}", worker, "detect")
            name, settings = f"torchvision {short}", {"size": options.size, "precision": short}
            worker = contest.optional(name, notes, lambda settings=settings: Worker(YARDSTICK, settings, options.torch_python))
            if worker:
                entries[name] = Entry(name, stack.enter_context(worker), "detect")
        play(list(entries.values()), options.rounds)
        print_times(list(entries.values()))
        print("  detections: " + ", ".join(f"{name} {entry.answers[-1]['detections']:g}" for name, entry in entries.items()))
        ratios = {f"{ours} / {theirs}": ratio(entries[ours], entries[theirs]) for ours, theirs in RATIOS if {ours, theirs} <= set(entries)}
        for name, value in ratios.items():
            print_ratio(name, value)
        return {"entries": [e.to_dict() for e in entries.values()], "ratios": _plain(ratios)}


def parts(options: Namespace, precision: str) -> dict[str, Any]:
    """The stages one by one; the network's rate against the machine's; what of detect() is not network."""
    print(f"\ninfer: the parts of detect() in {precision}")
    settings = {"size": options.size, "PRECISION": PRECISIONS[precision]}
    with Worker("benchmarks.gemm:products") as products, Worker("benchmarks.ours:parts", settings) as stages, \
            Worker("benchmarks.ours:detection", settings) as whole_call:  # fmt: skip
        operations = stages.facts()["operations"]
        best = [Entry(name, products, name) for name in ("tf_float32", "numpy_float32", "tf_bfloat16") if name.endswith(precision)]
        total, profiled = Entry("detect", whole_call, "detect"), Entry("detect, profiled", whole_call, "profiled")
        timed = {name: Entry(name, stages, name) for name in (*operations, "resize and mold", "mask paste")}
        play([*best, total, profiled, *timed.values()], options.rounds)
        rates = [gemm.OPERATIONS / min(b.seconds[i] for b in best) for i in range(options.rounds)]
        print_times([total, *timed.values()])
        trunk = timed["trunk"]
        share = spread([operations["trunk"] / s / rate for s, rate in zip(trunk.seconds, rates, strict=True)])
        best_ever = operations["trunk"] / spread(trunk.seconds).median / max(rates)
        rest = spread([1 - sum(timed[n].seconds[i] for n in NETWORK) / total.seconds[i] for i in range(options.rounds)])
        within = spread([answer["not_network"] for answer in profiled.answers[-options.rounds :]])
        listed = sum(spread(e.seconds).median for n, e in timed.items() if n not in NETWORK)
        print(f"  matrix product: {_giga(spread(rates))} GFLOP/s; trunk: {operations['trunk'] / 1e9:.1f} GFLOP")
        print(f"  trunk's rate / matrix product's: {share:.3f}; its median / the best product of the run: {best_ever:.3f}")
        listed /= spread(total.seconds).median
        print(f"  of detect() not network: {within:.3f} (within one profiled call)")
        print(f"    by other ways: {listed:.3f} (the parts listed); {rest:.3f} (whole - trunk - heads)")
        return {
            "operations": operations, "entries": [e.to_dict() for e in (total, *timed.values())], "gemm": [e.to_dict() for e in best],
            "gemm_rate": _giga(spread(rates))._asdict(), "trunk_of_gemm": share._asdict(), "trunk_of_best_gemm": best_ever,
            "not_network_profiled": within._asdict(), "not_network_listed": listed, "not_network_by_difference": rest._asdict(),
        }  # fmt: skip


def throughput(options: Namespace) -> dict[str, Any]:
    """Seconds an image in batches and on a folder, against batch 1. Half the rounds: each is some thirty images long."""
    rounds = max(1, options.rounds // 2)
    print(f"\ninfer: seconds an image in batches and on a folder of mixed sizes, float32, {rounds} rounds")
    with Worker("benchmarks.ours:throughput", {"PRECISION": "float32"}) as worker:
        facts = worker.facts()
        counts = {**{name: int(name[-1]) for name in BATCHES}, "folder square": len(facts["folder"]), "folder pad64": len(facts["folder"])}
        entries = {name: Entry(name, worker, name, per=count) for name, count in counts.items()}
        play(list(entries.values()), rounds)
        print_times(list(entries.values()))
        ratios = {f"{name} / batch 1": ratio(entry, entries["batch 1"]) for name, entry in entries.items() if name != "batch 1"}
        for name, value in ratios.items():
            print_ratio(name, value)
        pixels = facts["pad64_pixels_against_square"]
        print(f"  pad64 has {pixels:.3f} of the square's pixels; ratio by pixels: {ratios['folder pad64 / batch 1'].median / pixels:.3f}")
        return {"facts": facts, "entries": [e.to_dict() for e in entries.values()], "ratios": _plain(ratios)}


def _giga(values: Spread) -> Spread:
    return Spread(*(round(v / 1e9, 1) for v in values))


def _plain(ratios: dict[str, Spread]) -> dict[str, dict[str, float]]:
    return {name: value._asdict() for name, value in ratios.items()}

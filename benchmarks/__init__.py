"""What is timed, against whom, as ratios in one run: `python benchmarks/run.py`. See docs/benchmarks.md."""

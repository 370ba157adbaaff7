"""The scripts here are run by tests/test_scripts.py; pytest must not import them to look for doctests."""

collect_ignore_glob = ["*.py"]

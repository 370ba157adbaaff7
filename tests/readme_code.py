"""The programs that README shows, and what makes them small enough for a test."""

import re

import reference_cases

BACKBONE = [('    BACKBONE = "resnet50"\n', "")]  # a tiny configuration has its own


def example(class_name):
    """The program whose configuration is of this name."""
    text = (reference_cases.ROOT / "README.md").read_text()
    (code,) = [code for code in re.findall(r"```python\n(.*?)```", text, re.S) if f"class {class_name}(" in code]
    return code


def smaller(code, changes):
    """Replace each (old, new); the old must be there."""
    for old, new in changes:
        assert old in code, old
        code = code.replace(old, new)
    return code

"""The lines that training and detection print, and that scripts and their users grep."""

import numpy as np


def log(text: str, array: np.ndarray | None = None) -> None:
    """Print a line; with an array also its shape, least and largest value and dtype.

    Args:
        text: The line, or the array's name.
        array: Any shape; an empty one has no least value.
    """
    if array is not None:
        text = f"{text:25}shape: {array.shape!s:20}  "
        if array.size:
            text += f"min: {array.min():10.5f}  max: {array.max():10.5f}"
        else:
            text += f"min: {'':10}  max: {'':10}"
        text += f"  {array.dtype}"
    print(text)

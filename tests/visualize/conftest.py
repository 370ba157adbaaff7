"""Pictures are drawn without a screen, and none is left open."""

import matplotlib
import pytest
from matplotlib import pyplot as plt

collect_ignore = ["conftest.py"]  # the search for doctests can't import two of this name


@pytest.fixture(autouse=True)
def headless():
    before = matplotlib.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(before)

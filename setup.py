"""Packaging of mrcnn. Settings of the development tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def version() -> str:
    """Read __version__ from the text of mrcnn/__init__.py, so that building imports nothing of the package."""
    text = (ROOT / "mrcnn" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    if found is None:
        raise ValueError('mrcnn/__init__.py has no line of the form __version__ = "x.y.z"')
    return found.group(1)


def long_description() -> str:
    """README.md, or nothing in a tree that has none."""
    readme = ROOT / "README.md"
    return readme.read_text(encoding="utf-8") if readme.exists() else ""


setup(
    name="mrcnn",
    version=version(),
    description="Mask R-CNN for Keras 3, with the interface, weight files and numbers of matterport/Mask_RCNN",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author="the mrcnn authors",
    license="MIT",
    packages=find_packages(include=["mrcnn", "mrcnn.*"]),
    python_requires=">=3.11",
    install_requires=[
        "tensorflow>=2.20",
        "keras>=3.15",
        "numpy>=2.0",
        "h5py>=3.11",
        "opencv-python-headless>=4.10",
        "pycocotools>=2.0.8",
        "matplotlib>=3.9",
        "pandas>=2.2",
        "tensorboard>=2.20",
        "Pillow>=10.3",
    ],
    extras_require={
        "test": [
            "pytest>=8.2", "pytest-timeout>=2.3", "pytest-xdist>=3.8", "ruff>=0.9", "import-linter>=2.3", "albumentations>=2.0.8,<3",
            "ipykernel>=6.29", "nbclient>=0.10", "nbformat>=5.10",
        ],  # fmt: skip
        "notebooks": ["ipykernel>=6.29", "nbclient>=0.10", "nbformat>=5.10"],
        # imgaug asks for opencv-python, which lies in the same folder as opencv-python-headless. The Makefile
        # therefore installs it with --no-deps and names its other needs.
        "imgaug": ["imgaug>=0.4.0"],
        # 2.0.8 of May 2025 is the last release, MIT. Its successor albumentationsx imports under the same name, but is AGPL.
        "albumentations": ["albumentations>=2.0.8,<3"],
        "jax": ["jax>=0.4.35"],
        "torch": ["torch>=2.5"],
        "export": ["onnx>=1.17", "onnxruntime>=1.20", "openvino>=2025.0", "tf2onnx>=1.17", "scipy>=1.13"],
    },
    entry_points={"console_scripts": ["mrcnn = mrcnn.cli:main"]},
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)

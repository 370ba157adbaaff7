"""Finding the reference cases: the golden ones in the project, and those in the folder MRCNN_REFERENCE (default ../shared/reference)."""

import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.config import Config

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
REFERENCE = Path(os.environ.get("MRCNN_REFERENCE", ROOT.parent / "shared" / "reference"))
DATA = ROOT.parent / "shared" / "data"


@dataclass
class Case:
    """One inference_*.npz or training_*.npz."""

    path: Path

    def __post_init__(self):
        with np.load(self.path, allow_pickle=False) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}
        self.meta = json.loads(str(self.arrays["meta_json"]))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def config(self, **overrides: Any) -> Config:
        """The case's Config, with the defects of the original switched back on."""
        attributes = json.loads(str(self.arrays["config_json"]))
        config = type("CaseConfig", (Config,), {**attributes, **overrides})()
        return config.original_behaviour()

    def write_weights(self, folder: Path) -> Path:
        """Write the case's weights as a legacy .h5 file, checked by its crc32."""
        maker = _maker()
        layout = maker.load_layout(_beside(self.meta["layout"]))
        layout = maker.adapt_layout(layout, self.meta["num_classes"], self.meta["anchors_per_location"])
        path = Path(folder) / "weights.h5"
        assert maker.write_weights(layout, str(path), self.meta["seed"]) == self.meta["weights_crc32"]
        return path

    def molded(self) -> np.ndarray:
        """Molded images [B, H, W, C] float32."""
        images = self["molded_uint8"] if "molded_uint8" in self.arrays else np.stack([self["image_0"], self["image_1"]])
        return images.astype("float32") - np.asarray(self.config().MEAN_PIXEL, "float32")


def case_paths(pattern: str) -> list[Path]:
    """All cases of the golden set and of the reference folder, by name; the reference folder's own "golden" is the golden set."""
    return [*sorted(GOLDEN.glob(pattern)), *sorted(REFERENCE.glob(pattern))]


def _beside(name: str) -> Path:
    path = REFERENCE / name
    return path if path.exists() else GOLDEN / name


def _maker() -> Any:
    spec = importlib.util.spec_from_file_location("make_weights", _beside("make_weights.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""torchvision's maskrcnn_resnet50_fpn on the same work. Runs in an interpreter that has torch and torchvision, and needs nothing of mrcnn.

What differs and can't be made equal without rewriting it: its RPN has 256 channels where ours has 512 (103 GFLOP fewer at 1024²); it takes 1000
anchors a level into suppression, we 6000 in all; every class of a roi may become a detection, where we take the best one; its masks are pasted as
probabilities, ours as bits. In training it keeps BatchNorm frozen whole, where ours trains gamma and beta, and cuts mask targets from full masks,
where we take mini-masks (the library's default). Momentum, weight decay, clipping and numbers of rois are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torchvision
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.resnet import resnet50
from torchvision.ops.misc import FrozenBatchNorm2d

from benchmarks import scenes
from benchmarks.workers import Tasks

SHARPEN = 40.0


@contextmanager
def _precision(precision: str) -> Iterator[None]:
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        yield


def _tensor(image: Any) -> torch.Tensor:
    """[H, W, 3] uint8 to [3, H, W] float in 0…1, as torchvision takes it."""
    return torch.from_numpy(image).permute(2, 0, 1).float().div(255).contiguous()


def detection(size: int = 1024, precision: str = "float32") -> Tasks:
    """The task "detect": the whole call on one photo, resize and mask paste included."""
    torch.manual_seed(0)
    model = torchvision.models.detection.maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=scenes.NUM_CLASSES, min_size=size, max_size=size, box_score_thresh=0.0
    )
    model.eval().to(memory_format=torch.channels_last)
    with torch.no_grad():
        model.roi_heads.box_predictor.cls_score.weight *= SHARPEN
    photo = scenes.photo(0, size, size)

    def detect() -> dict[str, Any]:
        with torch.inference_mode(), _precision(precision):
            found = model([_tensor(photo)])[0]
        return {"detections": len(found["scores"])}

    return Tasks({"detect": detect}, _versions())


def training(size: int = 512, batch: int = 2, precision: str = "float32") -> Tasks:
    """The task "step": forward, backward, clipping and SGD on `batch` photos with 8 objects each; it returns the positives of each image."""
    torch.manual_seed(0)
    backbone = _resnet_fpn_extractor(resnet50(weights=None, norm_layer=FrozenBatchNorm2d), 5)
    model = torchvision.models.detection.MaskRCNN(
        backbone, scenes.NUM_CLASSES, min_size=size, max_size=size, box_batch_size_per_image=200, box_positive_fraction=0.33
    )
    model.train().to(memory_format=torch.channels_last)
    found = [scenes.scene(seed, size) for seed in range(batch)]
    images = [_tensor(s.image) for s in found]
    targets = [
        {
            "boxes": torch.from_numpy(s.boxes[:, [1, 0, 3, 2]]).float(),
            "labels": torch.from_numpy(s.class_ids),
            "masks": torch.from_numpy(scenes.masks(s)).to(torch.uint8),
        }
        for s in found
    ]
    positives = _inject(model, [torch.from_numpy(s.near[:, [1, 0, 3, 2]]).float() for s in found])
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1e-4, momentum=0.9, weight_decay=1e-4)

    def step() -> dict[str, Any]:
        with _precision(precision):
            loss = sum(model(images, targets).values())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 5.0)
        optimizer.step()
        return {"loss": float(loss), "positives": positives[-1]}

    return Tasks({"step": step}, {**_versions(), "trained_parameters": sum(p.numel() for p in trained)})


def _inject(model: Any, near: list[torch.Tensor]) -> list[list[int]]:
    """Put rois near the objects in place of the first proposals, and note how many positives are sampled of each image."""
    propose, sample, noted = model.rpn.filter_proposals, model.roi_heads.select_training_samples, []

    def with_near(*arguments: Any) -> Any:
        boxes, scores = propose(*arguments)
        return [torch.cat([rois, own[len(rois) :]]) for rois, own in zip(near, boxes, strict=True)], scores

    def counting(*arguments: Any) -> Any:
        sampled = sample(*arguments)
        noted.append([int((labels > 0).sum()) for labels in sampled[2]])
        return sampled

    model.rpn.filter_proposals, model.roi_heads.select_training_samples = with_near, counting
    return noted


def _versions() -> dict[str, Any]:
    return {"torch": torch.__version__, "torchvision": torchvision.__version__, "threads": torch.get_num_threads()}

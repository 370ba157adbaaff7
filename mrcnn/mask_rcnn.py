"""MaskRCNN: the object that users hold. Builds the network, loads weights, trains, detects; the work is done in training and inference."""

import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from mrcnn import build
from mrcnn.config import Config
from mrcnn.data.dataset import Dataset
from mrcnn.evaluation.evaluation import Evaluation
from mrcnn.inference import detector, inspect, judge, predict
from mrcnn.inference import thresholds as class_thresholds
from mrcnn.log import log
from mrcnn.results import Detections
from mrcnn.training import compilation, determinism, layer_groups, lock, runs, session, trainer
from mrcnn.training import stages as training_stages
from mrcnn.weights import download, imagenet, layout, legacy_h5, loader, names, report

#: Layers whose shape depends on the number of classes: exclude them to start from weights with other classes.
HEAD_LAYERS = names.HEAD_LAYERS


class MaskRCNN:
    """Mask R-CNN with the interface of the original library.

    Args:
        mode: "training" or "inference".
        config: Parameters; validated here.
        model_dir: Folder for the run folders.

    Attributes:
        keras_model: The network, see `build.build`.
        epoch: Epochs done.
        log_dir: Folder of this run.
        checkpoint_path: Of its checkpoints, with the field {epoch:04d}.
        anchors: [A, 4] float64 anchors in pixels of the last image size asked for; None before.
        allow_random_weights: Set True to detect with layers that were never loaded or trained.
    """

    def __init__(self, mode: str, config: Config, model_dir: str | os.PathLike[str]):
        self.mode, self.config, self.model_dir = mode, config, os.fspath(model_dir)
        self.allow_random_weights = False
        self.keras_model = self.build(mode, config)
        self._predictor = detector.Detector(self.keras_model, config)
        self._random = inspect.Fingerprint(self.keras_model)
        self._compilation = compilation.Compilation()
        self._session = session.Session()
        self._started, self._claimed = False, None  # whether anything was trained; the folder that was made for it
        self._report: report.LoadReport | None = None
        self.set_log_dir()

    def build(self, mode: str, config: Config) -> keras.Model:
        """Build the network; see `build.build`."""
        if mode == "training":
            determinism.start(config.SEED, config.DETERMINISTIC)
        return build.build(config, mode, saver=legacy_h5.save, loader=loader.load)

    # --- Weights -----------------------------------------------------------------------------------------------------------

    def find_last(self) -> str:
        """Path of the newest complete checkpoint of this configuration's runs; broken ones are skipped, and said so.

        Raises:
            FileNotFoundError: there is none.
        """
        return self._last(whole_epochs=True)

    def _last(self, whole_epochs: bool) -> str:
        return session.last(self.model_dir, self.config.NAME, describe=layout.describe, whole_epochs=whole_epochs)

    def load_weights(
        self, filepath: str | os.PathLike[str], by_name: bool = False, exclude: Sequence[str] | None = None, verbose: int = 1
    ) -> report.LoadReport:
        """Load weights; a checkpoint of a run also makes this model continue that run.

        Args:
            filepath: HDF5 file in the legacy layout: of this library, of the original or its ports, or ImageNet weights of the backbone.
            by_name: Load the layers that both have. False: both must have the same layers.
            exclude: Layers to leave as they are; implies by_name.
            verbose: 1 says from which epoch a run continues.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it does not fit, or can't be read; the message says what to do. The network is unchanged then.
        """
        self._report = loader.load(self.keras_model, filepath, by_name=by_name, exclude=tuple(exclude or ()))
        found = self._session.load(os.fspath(filepath), only_weights=self.mode != "training" or bool(exclude))
        checkpoint = found.checkpoint if found else os.fspath(filepath)  # a state inside an epoch has its weights elsewhere
        self.set_log_dir(checkpoint, verbose=verbose)
        return self._report

    def load_initial_weights(self, spec: str, exclude: Sequence[str] | None = None) -> str | None:
        """Load what a `--weights` option names: a path, "coco", "imagenet", "imagenet:PATH", "last" or "none".

        COCO's weights leave out the layers that depend on the number of classes unless there are 81. They are kept in `mask_rcnn_coco.h5` under the
        current folder, or in the file that MRCNN_COCO_WEIGHTS names, and downloaded if absent.

        Returns:
            Path of the file; None for "none".

        Raises:
            FileNotFoundError, ValueError: see `load_weights` and `find_last`.
            fetch.DownloadError: the file could not be fetched.
        """
        spec = os.fspath(spec)
        kind = spec.lower()
        if kind == "none":
            return None  # the training says so, as it says of any file what came from it
        if kind == "coco":
            path = os.environ.get("MRCNN_COCO_WEIGHTS", "mask_rcnn_coco.h5")
            download.download_trained_weights(path)
            exclude = exclude if exclude is not None or self.config.NUM_CLASSES == 81 else HEAD_LAYERS
        elif kind == "imagenet":
            path = self.get_imagenet_weights()
        elif kind.startswith("imagenet:"):
            path = spec[len("imagenet:") :]
            imagenet.load(self.keras_model, path, exclude=tuple(exclude or ()))  # refuses another kind of file
        else:
            path = self._last(whole_epochs=self.mode != "training") if kind == "last" else spec
        loaded = self.load_weights(path, by_name=True, exclude=exclude)
        if not loaded.loaded:
            raise ValueError(
                f"No layer of {path} is in this network (BACKBONE = {self.config.BACKBONE}): nothing was loaded. `python -m mrcnn weights {path}` "
                "shows what the file holds."
            )
        return path

    def get_imagenet_weights(self) -> str:
        """Download Keras' ImageNet weights of the backbone, unless they are there; returns their path. ValueError for a BACKBONE of your own."""
        if callable(self.config.BACKBONE):
            raise ValueError("There are no ImageNet weights for a BACKBONE of your own. Load them in the callable, or start with weights 'none'.")
        return imagenet.fetch(self.config.BACKBONE)

    def random_layers(self) -> list[str]:
        """Layers that hold the values they were built with: never loaded, never trained."""
        return self._random.unchanged(self.keras_model)

    @property
    def optimizer_memory(self) -> Any:
        """What the optimizers have gathered so far, see `training.memory.Memory`."""
        return self._session.memory

    # --- Training ----------------------------------------------------------------------------------------------------------

    def compile(self, learning_rate: float, momentum: float) -> None:
        """Prepare for training; the momentum gathered before (another stage, other layers) is kept. See `training.compilation.Compilation`."""
        state = self._session
        self._compilation.compile(self.keras_model, self.config, state.memory, state.restored, learning_rate, momentum)
        state.restored = False

    def set_trainable(self, layer_regex: str, keras_model: keras.Model | None = None, indent: int = 0, verbose: int = 1) -> None:
        """Let layers train whose whole name matches: heads, 3+, 4+, 5+, all, or a regular expression; no others do.

        Raises:
            ValueError: no layer matches.
        """
        layer_groups.set_trainable(keras_model or self.keras_model, layer_regex, verbose=bool(verbose), indent=indent)

    def set_log_dir(self, model_path: str | os.PathLike[str] | None = None, verbose: int = 1) -> None:
        """Choose the run folder: that of a checkpoint, to continue its run, or a new one at epoch 0.

        Args:
            model_path: A checkpoint; None, or a file not named like one: a new run.
            verbose: 1 says which.
        """
        run = runs.of_checkpoint(os.fspath(model_path), self.model_dir, self.config.NAME) if model_path else None
        if model_path and verbose and (run or self.mode == "training"):
            name = os.path.basename(os.fspath(model_path))
            log(f"Re-starting from epoch {run.epoch}" if run else f"{name} is not a checkpoint of a run: training starts a new one at epoch 0.")
        if run is None:
            self._session.forget()  # a state loaded before tells of another run
        self._use(run or runs.new(self.model_dir, self.config.NAME))

    def _use(self, run: runs.Run) -> str:
        self.epoch, self.log_dir, self.checkpoint_path = run.epoch, run.log_dir, run.checkpoint_path
        return run.log_dir

    def train(
        self, train_dataset: Dataset, val_dataset: Dataset | None, learning_rate: float, epochs: int, layers: str, augmentation: Any = None,
        custom_callbacks: Sequence[keras.callbacks.Callback] | None = None, no_augmentation_sources: Sequence[str] | None = None,
    ) -> keras.callbacks.History | None:  # fmt: skip
        """Train, with a checkpoint after each epoch.

        Args:
            train_dataset: Prepared data set.
            val_dataset: Prepared data set for the losses after each epoch; None: no validation.
            learning_rate: At least 0.
            epochs: TOTAL number reached, those done before included.
            layers: heads, 3+, 4+, 5+, all, or a regular expression on layer names.
            augmentation: Functions of (image, masks, rng), an imgaug augmenter, an albumentations Compose, or a list of these: see data.augment.
            custom_callbacks: Keras callbacks, MeanAveragePrecisionCallback among them.
            no_augmentation_sources: Sources of the data set whose images are left as they are.

        Returns:
            Keras' History; None if `epochs` were already done, or a call before was left by TIME_LIMIT.

        Raises:
            ValueError: wrong mode, bad data, layers that match nothing.
        """
        self._require_training()
        if isinstance(epochs, bool) or epochs != int(epochs):
            raise ValueError(f"epochs = {epochs!r}: a whole number is expected, the total to reach")
        if not callable(learning_rate):
            training_stages.check_rate(learning_rate)
        epochs = int(epochs)
        if self._session.over(self.config):
            return None
        if epochs < self.epoch or (epochs == self.epoch and not self._session.pending):
            more = f"Pass epochs={self.epoch + epochs} for {epochs} more."
            log(f"Nothing to train: epochs = {epochs} is the total to reach, and {self.epoch} are done. {more}")
            return None
        plan = [self._session.single(layers, learning_rate, epochs, self.epoch)]
        return self._fit(plan, train_dataset, val_dataset, augmentation, custom_callbacks, no_augmentation_sources)

    def fit_stages(
        self, train_dataset: Dataset, val_dataset: Dataset | None, stages: str | Sequence[Any], augmentation: Any = None,
        custom_callbacks: Sequence[keras.callbacks.Callback] | None = None, no_augmentation_sources: Sequence[str] | None = None,
    ) -> keras.callbacks.History | None:  # fmt: skip
        """Train in stages, each with its layers, learning rate and epochs. A run that goes on finds the stage it was in.

        A callback that stops training (EarlyStopping) ends its stage; the next follows. A time limit or Ctrl-C leaves all.

        Args:
            train_dataset: Prepared data set.
            val_dataset: Prepared data set, or None.
            stages: "heads:1e-3:5,all:1e-4:15:cosine", or a list of `training.stages.Stage`, or of tuples (layers, learning rate,
                epochs[, schedule]). The epochs are each stage's own; the first stage begins at the run's first epoch.
            augmentation: As in `train`.
            custom_callbacks: As in `train`.
            no_augmentation_sources: As in `train`.

        Returns:
            Keras' History over all stages; None if all were done already, or a call before was left by TIME_LIMIT.

        Raises:
            ValueError: wrong mode, bad data, an impossible stage.
        """
        self._require_training()
        stages = training_stages.read(stages)
        for stage in stages:
            layer_groups.matching(self.keras_model, stage.layers)
        if self._session.over(self.config):
            return None
        plan = self._session.plan(stages, self.epoch)
        if not plan:
            total = sum(stage.epochs for stage in stages)
            log(f"Nothing to train: the stages end after {total} epochs, and {self.epoch} are done. Add a stage, or epochs to the last one.")
            return None
        return self._fit(plan, train_dataset, val_dataset, augmentation, custom_callbacks, no_augmentation_sources)

    def _require_training(self) -> None:
        if self.mode != "training":
            raise ValueError(f"train needs MaskRCNN(mode='training', …); this one has mode {self.mode!r}.")

    def _fit(
        self, plan: Sequence[session.Planned], train_dataset: Dataset, val_dataset: Dataset | None, augmentation: Any, custom_callbacks: Any,
        no_augmentation_sources: Any,
    ) -> keras.callbacks.History:  # fmt: skip
        feeding = trainer.feeding(
            train_dataset, val_dataset, self.config, epoch=self.epoch, augmentation=augmentation,
            no_augmentation_sources=no_augmentation_sources,
        )  # fmt: skip
        history = trainer.Figures()
        with feeding as feeds, self._own_folder():
            for number, planned in enumerate(plan):
                if number:
                    planned = planned._replace(start=self.epoch)  # the stage before may have ended early
                log(report.describe(self._report) if not self._started else f"Going on with the weights of epoch {self.epoch}.")
                log(f"\nStarting at epoch {self.epoch}. LR={planned.stage.first_rate}\n")
                log(f"Checkpoint Path: {self.checkpoint_path}")
                self.set_trainable(planned.stage.layers)
                self.compile(planned.stage.rate(0, feeds[0].steps), self.config.LEARNING_MOMENTUM)
                self._started = True
                run = runs.Run(self.log_dir, self.checkpoint_path, self.epoch)
                if self._session.fit(self.keras_model, planned, run, self.config, feeds, custom_callbacks or (), history, self._moved):
                    break
        return history

    def _moved(self, epoch: int) -> None:
        self.epoch = epoch

    def _own_folder(self) -> Any:
        """Make the folder of a new run, and keep other processes out of a run's while this one trains: a context manager."""
        if self.epoch == 0 and self._claimed != self.log_dir and not self._started and self._session.resume is None:
            self._claimed = self._use(runs.claim(runs.Run(self.log_dir, self.checkpoint_path), self.model_dir, self.config.NAME))
        return lock.held(self.log_dir)

    # --- Detection ---------------------------------------------------------------------------------------------------------

    def detect(
        self, images: Sequence[np.ndarray], verbose: int = 0, *, lazy_masks: bool = False, explain: bool = False, objects: Any = None,
        thresholds: class_thresholds.Thresholds | None = None,
    ) -> list[Detections]:  # fmt: skip
        """Detect on images of any number and sizes.

        Args:
            images: Each [H, W, C], RGB.
            verbose: 1 prints what arrives.
            lazy_masks: True for bulk work: masks become [H, W, N] when first read, and `rles`, `to_coco` and `areas` work without them.
            explain: True: the attribute `explain` of each result says how many boxes each stage left, see `inference.explanation.Explanation`.
            objects: What should be found, for each image boxes [N, 4], points [N, 2], (either, class ids [N]) or None: `explain` then says at
                which stage each one was lost.
            thresholds: What `load_thresholds` returned, in place of DETECTION_MIN_CONFIDENCE and DETECTION_NMS_THRESHOLD.

        Returns:
            For each image a mapping with rois [N, 4] int32 pixels, class_ids [N] int32, scores [N] float32, masks [H, W, N] bool.

        Raises:
            ValueError: wrong mode, an image that is none, or layers that were never loaded or trained (see `allow_random_weights`).
            TypeError: an image that is no array.
        """
        self._require_inference()
        return self._predictor.detect_asked(
            images, verbose, lazy_masks=lazy_masks, explain=explain, objects=objects, thresholds=thresholds, random_layers=self.random_layers
        )  # fmt: skip

    def load_thresholds(self, path: str | os.PathLike[str] | None = None) -> class_thresholds.Thresholds:
        """Read thresholds that `python -m mrcnn tune` chose, for `detect(thresholds=…)`; by themselves they change nothing.

        Args:
            path: Of the file. None: that beside the weights that were loaded.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no such file, of other classes, or was tuned for other weights.
        """
        return class_thresholds.load_for(self._report and self._report.path, path, self.config.NUM_CLASSES)

    def evaluate(self, dataset: Dataset, *, output: str | os.PathLike[str] | None = None, verbose: int = 1, **how: Any) -> Evaluation:
        """Detect on a data set, in order, and measure: COCO's figures, mAP, F1, confusion, PQ, mIoU; see `inference.judge.evaluate`.

        Args:
            dataset: Prepared data set with masks.
            output: Folder for JSON, CSV and the HTML report; None: nothing is written.
            verbose: 1 says how far it is.
            **how: image_ids, kinds, iou_thresholds, score, samples, seed.
        """
        self._require_inference()
        return judge.evaluate(self, dataset, output=output, verbose=verbose, **how)

    def detect_molded(self, molded_images: Sequence[np.ndarray], image_metas: Sequence[np.ndarray], verbose: int = 0) -> list[Detections]:
        """Detect on molded images [B, H, W, C] with their metas [B, 12 + K], as `mold_inputs` returns them; boxes and masks are in their pixels."""
        self._require_inference()
        return self._predictor.detect_molded(np.asarray(molded_images, np.float32), np.asarray(image_metas), verbose)

    def mold_inputs(self, images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Resize, pad and subtract the mean: molded images [B, H, W, C] float32, image_metas [B, 12 + K], windows [B, 4] pixels.

        Raises:
            ValueError: the images differ in molded size.
        """
        return predict.mold_together(images, self.config)

    def unmold_detections(
        self, detections: np.ndarray, mrcnn_mask: np.ndarray, original_image_shape: Sequence[int], image_shape: Sequence[int], window: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """One image's answers on the photo: boxes [N, 4] pixels, class ids, scores, masks [H, W, N]; see `inference.predict.unmold_detections`."""
        return predict.unmold_detections(detections, mrcnn_mask, original_image_shape, image_shape, window)

    def get_anchors(self, image_shape: Sequence[int]) -> np.ndarray:
        """Anchors of a molded image in its unit square: [A, 4] float32. Those in pixels are kept as `anchors`."""
        return self._predictor.anchors(image_shape)

    @property
    def anchors(self) -> np.ndarray | None:
        """[A, (y1, x1, y2, x2)] pixels of the molded image that was last detected on; None before."""
        return self._predictor.pixel_anchors

    def _require_inference(self) -> None:
        if self.mode != "inference":
            raise ValueError(f"detect needs MaskRCNN(mode='inference', …); this one has mode {self.mode!r}.")
        if not self.allow_random_weights:
            self._random.require_changed(self.keras_model)

    def ancestor(self, tensor: Any, name: str, checked: Any = None) -> Any:
        """Tensor of the network by the name that notebooks for the original use, or None; see `inference.inspect.ancestor`."""
        return inspect.ancestor(self.keras_model, name)

    def find_trainable_layer(self, layer: Any) -> Any:
        """The layer that owns the weights; wrappers are gone, so it is the layer itself."""
        return layer

    def get_trainable_layers(self) -> list[Any]:
        """Layers that own weights, nested models opened."""
        return list(layer_groups.trainable_layers(self.keras_model))

    def run_graph(
        self, images: Sequence[np.ndarray], outputs: Sequence[tuple[str, Any]], image_metas: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Values by name of (name, tensor) pairs, for images; with image_metas the images are molded. See `inference.inspect.run_graph`."""
        if image_metas is None:
            molded, image_metas, _ = self.mold_inputs(images)
        else:
            molded = np.asarray(images)
        return inspect.run_graph(self.keras_model, molded, image_metas, self.get_anchors(molded.shape[1:]), outputs)

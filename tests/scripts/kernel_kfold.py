"""A Kaggle kernel for the original: folds, COCO weights without heads, mAP, two stages, the best epoch, submission. Usage: kernel_kfold.py FOLDER"""

import gc
import glob
import itertools
import json
import os
import random
import sys
import warnings
from pathlib import Path

import cv2
import keras.layers as KL
import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt

sys.path.append(os.path.join(sys.argv[1], "Mask_RCNN"))
from mrcnn.config import Config
from mrcnn import utils
import mrcnn.model as modellib
from mrcnn import visualize
from mrcnn.model import log

from imgaug import augmenters as iaa

try:
    from sklearn.model_selection import KFold
except ImportError:  # kernels without it shuffled the numbers themselves

    class KFold:
        def __init__(self, n_splits, random_state, shuffle):
            self.n_splits, self.order = n_splits, np.random.RandomState(random_state)

        def split(self, X):
            indices = self.order.permutation(len(X))
            for fold in np.array_split(indices, self.n_splits):
                yield np.setdiff1d(indices, fold), np.sort(fold)


warnings.filterwarnings("ignore")

DATA_DIR = Path(sys.argv[1]) / "input"
ROOT_DIR = Path(sys.argv[1]) / "working"
COCO_WEIGHTS_PATH = str(ROOT_DIR / "mask_rcnn_coco.h5")
NUM_CATS = 3
IMAGE_SIZE = 64

# --- The competition's files, in small
random.seed(3)
rng = np.random.RandomState(8)
ROOT_DIR.mkdir()
rows = []
for folder, count in (("train", 10), ("test", 2)):
    (DATA_DIR / folder).mkdir(parents=True)
    for number in range(count):
        photo = np.full((80, 100, 3), 120, np.uint8)
        name = f"{folder}{number:02d}.jpg"
        for category in [number % 3, 2][: 1 + number % 2]:
            y, x, h, w = rng.randint(2, 30), rng.randint(2, 40), 30 + 5 * category, 40
            photo[y : y + h, x : x + w] = [(210, 40, 40), (40, 70, 210), (30, 180, 60)][category]
            if folder == "train":
                pixels = " ".join(f"{column * 80 + y} {h}" for column in range(x, x + w))
                rows.append([name, pixels, 80, 100, f"{category}_7_31" if number % 3 else str(category)])
        cv2.imwrite(str(DATA_DIR / folder / name), photo[..., ::-1])
pd.DataFrame(rows, columns=["ImageId", "EncodedPixels", "Height", "Width", "ClassId"]).to_csv(DATA_DIR / "train.csv", index=False)
samples = [[f"test{number:02d}.jpg", "1 1", 23] for number in range(2)]
pd.DataFrame(samples, columns=["ImageId", "EncodedPixels", "ClassId"]).to_csv(DATA_DIR / "sample_submission.csv", index=False)
with open(DATA_DIR / "label_descriptions.json", "w") as f:
    json.dump({"categories": [{"id": i, "name": name} for i, name in enumerate(["shirt, blouse", "pants", "hat"])]}, f)


def small_backbone(input_image, stage5=False, train_bn=None):
    x = input_image
    stages = []
    for stage, strides in enumerate([4, 1, 2, 2, 2], start=1):
        x = KL.Conv2D(8, (3, 3), strides=(strides, strides), padding="same", name="res%da_branch2a" % stage)(x)
        x = modellib.BatchNorm(name="bn%da_branch2a" % stage)(x, training=train_bn)
        x = KL.Activation("relu")(x)
        stages.append(x)
    C1, C2, C3, C4, C5 = stages
    return [C1, C2, C3, C4, C5 if stage5 else None]


class FashionConfig(Config):
    NAME = "fashion"
    NUM_CLASSES = NUM_CATS + 1  # +1 for the background class

    GPU_COUNT = 1
    IMAGES_PER_GPU = 4  # a memory error occurs when IMAGES_PER_GPU is too high

    BACKBONE = staticmethod(small_backbone)
    COMPUTE_BACKBONE_SHAPE = staticmethod(lambda shape: np.array([[shape[0] // s, shape[1] // s] for s in (4, 8, 16, 32, 64)]))

    IMAGE_MIN_DIM = IMAGE_SIZE
    IMAGE_MAX_DIM = IMAGE_SIZE
    IMAGE_RESIZE_MODE = "none"

    RPN_ANCHOR_SCALES = (8, 16, 32, 48, 64)
    TOP_DOWN_PYRAMID_SIZE = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 16
    POST_NMS_ROIS_TRAINING = 40
    POST_NMS_ROIS_INFERENCE = 30
    TRAIN_ROIS_PER_IMAGE = 16
    MASK_POOL_SIZE = 7
    MASK_SHAPE = [14, 14]
    MAX_GT_INSTANCES = 4

    # STEPS_PER_EPOCH should be the number of instances divided by (GPU_COUNT*IMAGES_PER_GPU), and so should VALIDATION_STEPS
    STEPS_PER_EPOCH = 1
    VALIDATION_STEPS = 1


config = FashionConfig()
config.display()

with open(DATA_DIR / "label_descriptions.json") as f:
    label_descriptions = json.load(f)
label_names = [x["name"] for x in label_descriptions["categories"]]

segment_df = pd.read_csv(DATA_DIR / "train.csv")
multilabel_percent = len(segment_df[segment_df["ClassId"].str.contains("_")]) / len(segment_df) * 100
print(f"Segments that have attributes: {multilabel_percent:.2f}%")
segment_df["CategoryId"] = segment_df["ClassId"].str.split("_").str[0]
image_df = segment_df.groupby("ImageId")[["EncodedPixels", "CategoryId"]].agg(lambda x: list(x))
size_df = segment_df.groupby("ImageId")[["Height", "Width"]].mean()
image_df = image_df.join(size_df, on="ImageId")


def resize_image(image_path):
    img = cv2.imread(image_path)
    img = cv2.cvtColor(img, cv2.COLOR_BGR2RGB)
    img = cv2.resize(img, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_AREA)
    return img


class FashionDataset(utils.Dataset):
    def __init__(self, df):
        super().__init__(self)

        # Add classes
        for i, name in enumerate(label_names):
            self.add_class("fashion", i + 1, name)

        # Add images
        for i, row in df.iterrows():
            self.add_image(
                "fashion",
                image_id=row.name,
                path=str(DATA_DIR / "train" / row.name),
                labels=row["CategoryId"],
                annotations=row["EncodedPixels"],
                height=row["Height"],
                width=row["Width"],
            )

    def image_reference(self, image_id):
        info = self.image_info[image_id]
        return info["path"], [label_names[int(x)] for x in info["labels"]]

    def load_image(self, image_id):
        return resize_image(self.image_info[image_id]["path"])

    def load_mask(self, image_id):
        info = self.image_info[image_id]

        mask = np.zeros((IMAGE_SIZE, IMAGE_SIZE, len(info["annotations"])), dtype=np.uint8)
        labels = []

        for m, (annotation, label) in enumerate(zip(info["annotations"], info["labels"])):
            sub_mask = np.full(int(info["height"] * info["width"]), 0, dtype=np.uint8)
            annotation = [int(x) for x in annotation.split(" ")]

            for i, start_pixel in enumerate(annotation[::2]):
                sub_mask[start_pixel : start_pixel + annotation[2 * i + 1]] = 1

            sub_mask = sub_mask.reshape((int(info["height"]), int(info["width"])), order="F")
            sub_mask = cv2.resize(sub_mask, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_NEAREST)

            mask[:, :, m] = sub_mask
            labels.append(int(label) + 1)

        return mask, np.array(labels)


dataset = FashionDataset(image_df)
dataset.prepare()

for i in range(2):
    image_id = random.choice(dataset.image_ids)
    print(dataset.image_reference(image_id))
    image = dataset.load_image(image_id)
    mask, class_ids = dataset.load_mask(image_id)
    visualize.display_top_masks(image, mask, class_ids, dataset.class_names, limit=4)
    plt.close("all")

# --- This code partially supports k-fold training: change FOLD
FOLD = 0
N_FOLDS = 5

kf = KFold(n_splits=N_FOLDS, random_state=42, shuffle=True)
splits = kf.split(image_df)  # ideally, this should be multilabel stratification


def get_fold():
    for i, (train_index, valid_index) in enumerate(splits):
        if i == FOLD:
            return image_df.iloc[train_index], image_df.iloc[valid_index]


train_df, valid_df = get_fold()

train_dataset = FashionDataset(train_df)
train_dataset.prepare()

valid_dataset = FashionDataset(valid_df)
valid_dataset.prepare()

train_segments = np.concatenate(train_df["CategoryId"].values).astype(int)
print("Total train images: ", len(train_df))
print("Total train segments: ", len(train_segments))
plt.figure(figsize=(12, 3))
values, counts = np.unique(train_segments, return_counts=True)
plt.bar(values, counts)
plt.xticks(values, [label_names[value] for value in values], rotation="vertical")
plt.show()


# --- mask_rcnn_coco.h5, which a kernel downloads: here a small network of 81 classes
class CocoConfig(FashionConfig):
    NAME = "coco"
    NUM_CLASSES = 1 + 80
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1


coco_model = modellib.MaskRCNN(mode="inference", config=CocoConfig(), model_dir=str(ROOT_DIR))
coco_model.keras_model.save_weights(COCO_WEIGHTS_PATH)
coco_kernel = coco_model.keras_model.get_layer("res3a_branch2a").get_weights()[0]
del coco_model
gc.collect()

class InferenceConfig(FashionConfig):
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    DETECTION_MIN_CONFIDENCE = 0


# --- Train
# Note that any hyperparameters here, such as LR, may still not be optimal
LR = 1e-4
EPOCHS = [1, 2]

model = modellib.MaskRCNN(mode="training", config=config, model_dir=ROOT_DIR)

model.load_weights(COCO_WEIGHTS_PATH, by_name=True, exclude=["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"])
assert np.array_equal(model.keras_model.get_layer("res3a_branch2a").get_weights()[0], coco_kernel)

inference_model = modellib.MaskRCNN(mode="inference", config=InferenceConfig(), model_dir=ROOT_DIR)
mean_average_precision_callback = modellib.MeanAveragePrecisionCallback(
    model, inference_model, valid_dataset, calculate_at_every_X_epoch=1, dataset_limit=2, verbose=1
)

augmentation = iaa.Sequential(
    [
        iaa.Fliplr(0.5)  # only horizontal flip here
    ]
)

model.train(
    train_dataset,
    valid_dataset,
    learning_rate=LR * 2,  # train heads with higher lr to speedup learning
    epochs=EPOCHS[0],
    layers="heads",
    augmentation=None,
    custom_callbacks=[mean_average_precision_callback],
)
history = model.keras_model.history.history

model.train(
    train_dataset,
    valid_dataset,
    learning_rate=LR,
    epochs=EPOCHS[1],
    layers="all",
    augmentation=augmentation,
    custom_callbacks=[mean_average_precision_callback],
)
new_history = model.keras_model.history.history
for k in new_history:
    history[k] = history[k] + new_history[k]

epochs = range(EPOCHS[-1])

plt.figure(figsize=(18, 6))
plt.subplot(131)
plt.plot(epochs, history["loss"], label="train loss")
plt.plot(epochs, history["val_loss"], label="valid loss")
plt.legend()
plt.subplot(132)
plt.plot(epochs, history["mrcnn_class_loss"], label="train class loss")
plt.plot(epochs, history["val_mrcnn_class_loss"], label="valid class loss")
plt.legend()
plt.subplot(133)
plt.plot(epochs, history["mrcnn_mask_loss"], label="train mask loss")
plt.plot(epochs, history["val_mrcnn_mask_loss"], label="valid mask loss")
plt.legend()
plt.show()
plt.close("all")

for key in ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_bbox_loss", "val_mean_average_precision"):
    assert len(history[key]) == EPOCHS[-1], (key, history[key])

best_epoch = np.argmin(history["val_loss"]) + 1
print("Best Epoch:", best_epoch, history["val_loss"][best_epoch - 1])

# --- Predict
glob_list = glob.glob(f"{ROOT_DIR}/fashion*/mask_rcnn_fashion_{best_epoch:04d}.h5")
model_path = glob_list[0] if glob_list else ""

inference_config = InferenceConfig()

assert model_path != "", "Provide path to trained weights"

model = modellib.MaskRCNN(mode="inference", config=inference_config, model_dir=ROOT_DIR)
model.load_weights(model_path, by_name=True)

APs = []
for image_id in valid_dataset.image_ids:
    image, image_meta, gt_class_id, gt_bbox, gt_mask = modellib.load_image_gt(valid_dataset, inference_config, image_id, use_mini_mask=False)
    molded_images = np.expand_dims(modellib.mold_image(image, inference_config), 0)
    r = model.detect([image], verbose=0)[0]
    AP, precisions, recalls, overlaps = utils.compute_ap(gt_bbox, gt_class_id, gt_mask, r["rois"], r["class_ids"], r["scores"], r["masks"])
    APs.append(AP)
print("mAP: ", np.mean(APs))
assert 0 <= np.mean(APs) <= 1

sample_df = pd.read_csv(DATA_DIR / "sample_submission.csv")


# Convert data to run-length encoding
def to_rle(bits):
    rle = []
    pos = 0
    for bit, group in itertools.groupby(bits):
        group_list = list(group)
        if bit:
            rle.extend([pos, sum(group_list)])
        pos += len(group_list)
    return rle


# Since the submission system does not permit overlapped masks, we have to fix them
def refine_masks(masks, rois):
    areas = np.sum(masks.reshape(-1, masks.shape[-1]), axis=0)
    mask_index = np.argsort(areas)
    union_mask = np.zeros(masks.shape[:-1], dtype=bool)
    for m in mask_index:
        masks[:, :, m] = np.logical_and(masks[:, :, m], np.logical_not(union_mask))
        union_mask = np.logical_or(masks[:, :, m], union_mask)
    for m in range(masks.shape[-1]):
        mask_pos = np.where(masks[:, :, m] == True)
        if np.any(mask_pos):
            y1, x1 = np.min(mask_pos, axis=1)
            y2, x2 = np.max(mask_pos, axis=1)
            rois[m, :] = [y1, x1, y2, x2]
    return masks, rois


sub_list = []
missing_count = 0
for i, row in sample_df.iterrows():
    image = resize_image(str(DATA_DIR / "test" / row["ImageId"]))
    result = model.detect([image])[0]
    if result["masks"].size > 0:
        masks, _ = refine_masks(result["masks"], result["rois"])
        for m in range(masks.shape[-1]):
            mask = masks[:, :, m].ravel(order="F")
            rle = to_rle(mask)
            label = result["class_ids"][m] - 1
            sub_list.append([row["ImageId"], " ".join(list(map(str, rle))), label])
    else:
        # The system does not allow missing ids, this is an easy way to fill them
        sub_list.append([row["ImageId"], "1 1", 23])
        missing_count += 1

submission_df = pd.DataFrame(sub_list, columns=sample_df.columns.values)
print("Total image results: ", submission_df["ImageId"].nunique())
print("Missing Images: ", missing_count)
submission_df.to_csv(ROOT_DIR / "submission.csv", index=False)
assert submission_df["ImageId"].nunique() == len(sample_df)

# --- Visualize
for i in range(1):
    image_id = sample_df.sample()["ImageId"].values[0]
    image_path = str(DATA_DIR / "test" / image_id)

    img = cv2.imread(image_path)
    img = cv2.cvtColor(img, cv2.COLOR_BGR2RGB)

    result = model.detect([resize_image(image_path)])
    r = result[0]

    if r["masks"].size > 0:
        masks = np.zeros((img.shape[0], img.shape[1], r["masks"].shape[-1]), dtype=np.uint8)
        for m in range(r["masks"].shape[-1]):
            masks[:, :, m] = cv2.resize(r["masks"][:, :, m].astype("uint8"), (img.shape[1], img.shape[0]), interpolation=cv2.INTER_NEAREST)

        y_scale = img.shape[0] / IMAGE_SIZE
        x_scale = img.shape[1] / IMAGE_SIZE
        rois = (r["rois"] * [y_scale, x_scale, y_scale, x_scale]).astype(int)

        masks, rois = refine_masks(masks, rois)
    else:
        masks, rois = r["masks"], r["rois"]

    visualize.display_instances(img, rois, masks, r["class_ids"], ["bg"] + label_names, r["scores"], title=image_id, figsize=(12, 12))
    plt.close("all")
log("last image", img)

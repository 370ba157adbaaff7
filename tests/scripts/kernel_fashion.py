"""A Kaggle kernel for the original: CSV with run lengths, two stages, mAP, the best epoch, a submission. Usage: kernel_fashion.py FOLDER"""

import glob
import itertools
import json
import sys
from pathlib import Path

import cv2
import keras.layers as KL
import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

import mrcnn.model as modellib  # noqa: E402
from mrcnn import utils, visualize  # noqa: E402
from mrcnn.config import Config  # noqa: E402

ROOT_DIR = Path(sys.argv[1])
DATA_DIR = ROOT_DIR / "input"
IMAGE_SIZE = 64
NUM_CATS = 2
rng = np.random.RandomState(5)

# --- The competition's files, in small
(DATA_DIR / "train").mkdir(parents=True)
rows = []
for number in range(8):
    photo = np.full((96, 72, 3), 110, np.uint8)
    name = f"photo{number:02d}.png"
    for class_id in [0, 1][: 1 + number % 2]:
        y, x = rng.randint(4, 40) + class_id * 20, rng.randint(4, 25)
        photo[y : y + 30, x : x + 35] = [(200, 30, 30), (30, 60, 200)][class_id]
        starts = np.arange(x, x + 35) * 96 + y + 1
        pixels = " ".join(f"{s} 30" for s in starts)
        rows.append({"ImageId": name, "EncodedPixels": pixels, "Height": 96, "Width": 72, "ClassId": ["0", "1_4_17"][class_id]})
    cv2.imwrite(str(DATA_DIR / "train" / name), photo[..., ::-1])
pd.DataFrame(rows).to_csv(DATA_DIR / "train.csv", index=False)
with open(DATA_DIR / "label_descriptions.json", "w") as f:
    json.dump({"categories": [{"id": 0, "name": "shirt, blouse"}, {"id": 1, "name": "skirt"}]}, f)


def light_backbone(input_image, stage5=True, train_bn=None):
    features = [input_image]
    for i, (s, n) in enumerate([(4, 8), (1, 8), (2, 8), (2, 16), (2, 16)]):
        x = KL.Conv2D(n, 3, strides=s, padding="same", name=f"res{i + 1}a_branch2a")(features[-1])
        x = modellib.BatchNorm(name=f"bn{i + 1}a_branch2a")(x, training=train_bn)
        features.append(KL.Activation("relu")(x))
    return features[1:]


class FashionConfig(Config):
    NAME = "fashion"
    NUM_CLASSES = NUM_CATS + 1
    GPU_COUNT = 1
    IMAGES_PER_GPU = 2
    BACKBONE = staticmethod(light_backbone)
    TRAIN_BN = None
    IMAGE_MIN_DIM = IMAGE_SIZE
    IMAGE_MAX_DIM = IMAGE_SIZE
    IMAGE_RESIZE_MODE = "none"
    RPN_ANCHOR_SCALES = (8, 16, 32, 48, 64)
    TOP_DOWN_PYRAMID_SIZE = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 16
    TRAIN_ROIS_PER_IMAGE = 16
    POST_NMS_ROIS_TRAINING = 40
    POST_NMS_ROIS_INFERENCE = 30
    MAX_GT_INSTANCES = 4
    STEPS_PER_EPOCH = 3
    VALIDATION_STEPS = 2


config = FashionConfig()
config.display()

with open(DATA_DIR / "label_descriptions.json") as f:
    label_descriptions = json.load(f)
label_names = [x["name"] for x in label_descriptions["categories"]]

segment_df = pd.read_csv(DATA_DIR / "train.csv")
segment_df["CategoryId"] = segment_df["ClassId"].astype(str).str.split("_").str[0]
image_df = segment_df.groupby("ImageId")[["EncodedPixels", "CategoryId"]].agg(lambda x: list(x))
image_df = image_df.join(segment_df.groupby("ImageId")[["Height", "Width"]].mean(), on="ImageId")


def resize_image(image_path):
    img = cv2.imread(image_path)
    img = cv2.cvtColor(img, cv2.COLOR_BGR2RGB)
    return cv2.resize(img, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_AREA)


class FashionDataset(utils.Dataset):
    def __init__(self, df):
        super().__init__(self)
        for i, name in enumerate(label_names):
            self.add_class("fashion", i + 1, name)
        for _, row in df.iterrows():
            self.add_image(
                "fashion", image_id=row.name, path=str(DATA_DIR / "train" / row.name), labels=row["CategoryId"],
                annotations=row["EncodedPixels"], height=row["Height"], width=row["Width"],
            )  # fmt: skip

    def image_reference(self, image_id):
        info = self.image_info[image_id]
        return info["path"], [label_names[int(x)] for x in info["labels"]]

    def load_image(self, image_id):
        return resize_image(self.image_info[image_id]["path"])

    def load_mask(self, image_id):
        info = self.image_info[image_id]
        mask = np.zeros((IMAGE_SIZE, IMAGE_SIZE, len(info["annotations"])), dtype=np.uint8)
        labels = []
        for m, (annotation, label) in enumerate(zip(info["annotations"], info["labels"])):  # noqa: B905
            sub_mask = np.full(int(info["height"]) * int(info["width"]), 0, dtype=np.uint8)
            annotation = [int(x) for x in annotation.split(" ")]
            for i, start_pixel in enumerate(annotation[::2]):
                sub_mask[start_pixel - 1 : start_pixel - 1 + annotation[2 * i + 1]] = 1
            sub_mask = sub_mask.reshape((int(info["height"]), int(info["width"])), order="F")
            mask[:, :, m] = cv2.resize(sub_mask, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_NEAREST)
            labels.append(int(label) + 1)
        return mask, np.array(labels)


train_df, valid_df = image_df[:6], image_df[6:]
train_dataset = FashionDataset(train_df)
train_dataset.prepare()
valid_dataset = FashionDataset(valid_df)
valid_dataset.prepare()
image_id = 1
print(train_dataset.image_reference(image_id))
mask, class_ids = train_dataset.load_mask(image_id)
visualize.display_top_masks(train_dataset.load_image(image_id), mask, class_ids, train_dataset.class_names, limit=2)


# --- Two stages
class InferenceConfig(FashionConfig):
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    DETECTION_MIN_CONFIDENCE = 0.0
    DETECTION_MAX_INSTANCES = 5


LR = 1e-3
EPOCHS = [1, 2]
model = modellib.MaskRCNN(mode="training", config=config, model_dir=str(ROOT_DIR))
inference_model = modellib.MaskRCNN(mode="inference", config=InferenceConfig(), model_dir=str(ROOT_DIR))
mean_average_precision_callback = modellib.MeanAveragePrecisionCallback(
    model, inference_model, valid_dataset, calculate_at_every_X_epoch=1, dataset_limit=2, verbose=1
)

try:
    from imgaug import augmenters as iaa

    augmentation = iaa.Sequential([iaa.Fliplr(0.5)])
except ImportError:  # an extra
    augmentation = None

model.train(
    train_dataset, valid_dataset, learning_rate=LR * 2, epochs=EPOCHS[0], layers="heads", augmentation=augmentation,
    custom_callbacks=[mean_average_precision_callback],
)  # fmt: skip
history = model.keras_model.history.history
model.train(
    train_dataset, valid_dataset, learning_rate=LR, epochs=EPOCHS[1], layers="all", augmentation=augmentation,
    custom_callbacks=[mean_average_precision_callback],
)  # fmt: skip
new_history = model.keras_model.history.history
for k in new_history:
    history[k] = history[k] + new_history[k]

epochs = range(EPOCHS[-1])
plt.figure(figsize=(6, 2))
for place, (key, title) in enumerate([("loss", "loss"), ("mrcnn_class_loss", "class"), ("mrcnn_mask_loss", "mask")], start=1):
    plt.subplot(1, 3, place)
    plt.plot(epochs, history[key], label="train " + title)
    plt.plot(epochs, history["val_" + key], label="valid " + title)
    plt.legend()
plt.savefig(ROOT_DIR / "history.png")
plt.close("all")
for key in ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_bbox_loss", "val_mean_average_precision"):
    assert len(history[key]) == EPOCHS[-1], (key, history[key])

best_epoch = np.argmin(history["val_loss"]) + 1
print("Best epoch: ", best_epoch)
print("Valid loss: ", history["val_loss"][best_epoch - 1])

# --- The best epoch's model
glob_list = glob.glob(str(ROOT_DIR / f"fashion*/mask_rcnn_fashion_{best_epoch:04d}.h5"))
model_path = glob_list[0] if glob_list else ""
assert model_path != "", "Provide path to trained weights"
model = modellib.MaskRCNN(mode="inference", config=InferenceConfig(), model_dir=str(ROOT_DIR))
print("Loading weights from ", model_path)
model.load_weights(model_path, by_name=True)

APs = []
for image_id in valid_dataset.image_ids:
    image, image_meta, gt_class_id, gt_bbox, gt_mask = modellib.load_image_gt(valid_dataset, model.config, image_id, use_mini_mask=False)
    molded_images = np.expand_dims(modellib.mold_image(image, model.config), 0)
    r = model.detect([image], verbose=0)[0]
    AP, precisions, recalls, overlaps = utils.compute_ap(gt_bbox, gt_class_id, gt_mask, r["rois"], r["class_ids"], r["scores"], r["masks"])
    APs.append(AP)
print("mAP: ", np.mean(APs))
assert 0 <= np.mean(APs) <= 1
visualize.plot_precision_recall(AP, precisions, recalls)
visualize.plot_overlaps(gt_class_id, r["class_ids"], r["scores"], overlaps, valid_dataset.class_names)
plt.close("all")


# --- Submission
def to_rle(bits):
    rle, pos = [], 0
    for bit, group in itertools.groupby(bits):
        group_list = list(group)
        if bit:
            rle.extend([pos, sum(group_list)])
        pos += len(group_list)
    return rle


def refine_masks(masks, rois):
    areas = np.sum(masks.reshape(-1, masks.shape[-1]), axis=0)
    mask_index = np.argsort(areas)
    union_mask = np.zeros(masks.shape[:-1], dtype=bool)
    for m in mask_index:
        masks[:, :, m] = np.logical_and(masks[:, :, m], np.logical_not(union_mask))
        union_mask = np.logical_or(masks[:, :, m], union_mask)
    for m in range(masks.shape[-1]):
        mask_pos = np.where(masks[:, :, m] == True)  # noqa: E712
        if np.any(mask_pos):
            y1, x1 = np.min(mask_pos, axis=1)
            y2, x2 = np.max(mask_pos, axis=1)
            rois[m, :] = [y1, x1, y2, x2]
    return masks, rois


sub_list = []
for name in sorted(valid_df.index):
    image = resize_image(str(DATA_DIR / "train" / name))
    r = model.detect([image])[0]
    if r["masks"].size > 0:
        masks = np.zeros((96, 72, r["masks"].shape[-1]), dtype=np.uint8)
        for m in range(r["masks"].shape[-1]):
            masks[:, :, m] = cv2.resize(r["masks"][:, :, m].astype("uint8"), (72, 96), interpolation=cv2.INTER_NEAREST)
        rois = r["rois"] * np.array([96, 72, 96, 72]) / IMAGE_SIZE
        masks, rois = refine_masks(masks, rois)
        for m in range(masks.shape[-1]):
            rle = to_rle(masks[:, :, m].ravel(order="F"))
            sub_list.append([name, " ".join(str(x) for x in rle), r["class_ids"][m] - 1])
        visualize.display_instances(image, r["rois"], r["masks"], r["class_ids"], ["bg"] + label_names, r["scores"], title=name, figsize=(4, 4))
        plt.close("all")
    else:
        sub_list.append([name, "1 1", 23])
submission_df = pd.DataFrame(sub_list, columns=["ImageId", "EncodedPixels", "ClassId"])
submission_df.to_csv(ROOT_DIR / "submission.csv", index=False)

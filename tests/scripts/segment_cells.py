"""A script for the Data Science Bowl as users of the original wrote it: MobileNet, masks from PNG files, imgaug. Usage: segment_cells.py FOLDER"""

import datetime
import os
import sys

import matplotlib
import numpy as np
import skimage.io

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from keras.applications.mobilenet import MobileNet

ROOT_DIR = os.path.abspath(sys.argv[1])
sys.path.append(ROOT_DIR)  # To find local version of the library
from mrcnn.config import Config
from mrcnn import utils
from mrcnn import model as modellib
from mrcnn import visualize
from imgaug import augmenters as iaa  # (the original's nucleus.py has it above: with NumPy 2 it must come after mrcnn.model)

DEFAULT_LOGS_DIR = os.path.join(ROOT_DIR, "logs")
RESULTS_DIR = os.path.join(ROOT_DIR, "results/cells/")
VAL_IMAGE_IDS = ["cell04", "cell05"]


def make_data(dataset_dir):
    """The competition's folders: stage1_train/<id>/images/<id>.png, .../masks/<number>.png, stage1_test/<id>/images."""
    random = np.random.RandomState(1)
    rows, columns = np.mgrid[:72, :80]
    for subset, count in (("stage1_train", 6), ("stage1_test", 1)):
        for number in range(count):
            name = "cell%02d" % (number + (subset == "stage1_test") * 10)
            folder = os.path.join(dataset_dir, subset, name)
            os.makedirs(os.path.join(folder, "images"))
            image = np.zeros((72, 80, 4), np.uint8) + np.array([20, 15, 30, 255], np.uint8)
            for i in range(1 + number % 3):
                y, x, r = 20 + 30 * (i // 2), 20 + 35 * (i % 2), random.randint(8, 14)
                mask = (rows - y) ** 2 + (columns - x) ** 2 < r**2
                image[mask, :3] = (150, 130, 190)
                if subset == "stage1_train":
                    os.makedirs(os.path.join(folder, "masks"), exist_ok=True)
                    skimage.io.imsave(os.path.join(folder, "masks", "%d.png" % i), mask.astype(np.uint8) * 255, check_contrast=False)
            skimage.io.imsave(os.path.join(folder, "images", name + ".png"), image, check_contrast=False)


############################################################
#  Configurations
############################################################


def mobilenet_graph(input_image, stage5=True, train_bn=None):
    base = MobileNet(input_tensor=input_image, include_top=False, weights=None, alpha=0.25)
    C1 = base.get_layer("conv_pw_1_relu").output
    C2 = base.get_layer("conv_pw_3_relu").output
    C3 = base.get_layer("conv_pw_5_relu").output
    C4 = base.get_layer("conv_pw_11_relu").output
    C5 = base.get_layer("conv_pw_13_relu").output
    return [C1, C2, C3, C4, C5]


def mobilenet_shapes(image_shape):
    return np.array([[int(np.ceil(image_shape[0] / stride)), int(np.ceil(image_shape[1] / stride))] for stride in [4, 8, 16, 32, 64]])


class CellConfig(Config):
    """Configuration for training on the cell segmentation dataset."""

    # Give the configuration a recognizable name
    NAME = "cell"

    # Adjust depending on your GPU memory
    IMAGES_PER_GPU = 4

    # Number of classes (including background)
    NUM_CLASSES = 1 + 1  # Background + cell

    # Number of training and validation steps per epoch
    STEPS_PER_EPOCH = (6 - len(VAL_IMAGE_IDS)) // IMAGES_PER_GPU
    VALIDATION_STEPS = max(1, len(VAL_IMAGE_IDS) // IMAGES_PER_GPU)

    # Don't exclude based on confidence. Since we have two classes
    # then 0.5 is the minimum anyway as it picks between cell and BG
    DETECTION_MIN_CONFIDENCE = 0

    # Input image resizing: random crops of size 64x64
    IMAGE_RESIZE_MODE = "crop"
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 64
    IMAGE_MIN_SCALE = 1.5

    # Length of square anchor side in pixels
    RPN_ANCHOR_SCALES = (4, 8, 16, 32, 64)

    # ROIs kept after non-maximum supression (training and inference)
    POST_NMS_ROIS_TRAINING = 60
    POST_NMS_ROIS_INFERENCE = 80

    # Non-max suppression threshold to filter RPN proposals.
    # You can increase this during training to generate more propsals.
    RPN_NMS_THRESHOLD = 0.9

    # How many anchors per image to use for RPN training
    RPN_TRAIN_ANCHORS_PER_IMAGE = 64

    # Image mean (RGB)
    MEAN_PIXEL = np.array([43.53, 39.56, 48.22])

    # If enabled, resizes instance masks to a smaller size to reduce
    # memory load. Recommended when using high-resolution images.
    USE_MINI_MASK = True
    MINI_MASK_SHAPE = (28, 28)  # (height, width) of the mini-mask

    # Number of ROIs per image to feed to classifier/mask heads
    TRAIN_ROIS_PER_IMAGE = 16

    # Maximum number of ground truth instances to use in one image
    MAX_GT_INSTANCES = 20

    # Max number of final detections per image
    DETECTION_MAX_INSTANCES = 10

    TOP_DOWN_PYRAMID_SIZE = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 32

    def __init__(self):
        self.BACKBONE = mobilenet_graph
        self.COMPUTE_BACKBONE_SHAPE = mobilenet_shapes
        super().__init__()


class CellInferenceConfig(CellConfig):
    # Set batch size to 1 to run one image at a time
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    # Don't resize imager for inferencing
    IMAGE_RESIZE_MODE = "pad64"
    # Non-max suppression threshold to filter RPN proposals.
    RPN_NMS_THRESHOLD = 0.7


############################################################
#  Dataset
############################################################


class CellDataset(utils.Dataset):
    def load_cell(self, dataset_dir, subset):
        # Add classes. We have one class.
        # Naming the dataset cell, and the class cell
        self.add_class("cell", 1, "cell")

        # "val": use hard-coded list above
        # "train": use data from stage1_train minus the hard-coded list above
        # else: use the data from the specified sub-directory
        assert subset in ["train", "val", "stage1_train", "stage1_test", "stage2_test"]
        subset_dir = "stage1_train" if subset in ["train", "val"] else subset
        dataset_dir = os.path.join(dataset_dir, subset_dir)
        if subset == "val":
            image_ids = VAL_IMAGE_IDS
        else:
            # Get image ids from directory names
            image_ids = next(os.walk(dataset_dir))[1]
            if subset == "train":
                image_ids = list(set(image_ids) - set(VAL_IMAGE_IDS))

        # Add images
        for image_id in image_ids:
            self.add_image("cell", image_id=image_id, path=os.path.join(dataset_dir, image_id, "images/{}.png".format(image_id)))

    def load_mask(self, image_id):
        """Generate instance masks for an image."""
        info = self.image_info[image_id]
        # Get mask directory from image path
        mask_dir = os.path.join(os.path.dirname(os.path.dirname(info["path"])), "masks")

        # Read mask files from .png image
        mask = []
        for f in next(os.walk(mask_dir))[2]:
            if f.endswith(".png"):
                m = skimage.io.imread(os.path.join(mask_dir, f)).astype(bool)
                mask.append(m)
        mask = np.stack(mask, axis=-1)
        # Return mask, and array of class IDs of each instance. Since we have
        # one class ID, we return an array of ones
        return mask, np.ones([mask.shape[-1]], dtype=np.int32)

    def image_reference(self, image_id):
        """Return the path of the image."""
        info = self.image_info[image_id]
        if info["source"] == "cell":
            return info["id"]
        else:
            super(self.__class__, self).image_reference(image_id)


############################################################
#  RLE Encoding
############################################################


def rle_encode(mask):
    """Encodes a mask in Run Length Encoding (RLE)."""
    assert mask.ndim == 2, "Mask must be of shape [Height, Width]"
    # Flatten it column wise
    m = mask.T.flatten()
    # Compute gradient. Equals 1 or -1 at transition points
    g = np.diff(np.concatenate([[0], m, [0]]), n=1)
    # 1-based indicies of transition points (where gradient != 0)
    rle = np.where(g != 0)[0].reshape([-1, 2]) + 1
    # Convert second index in each pair to lenth
    rle[:, 1] = rle[:, 1] - rle[:, 0]
    return " ".join(map(str, rle.flatten()))


def rle_decode(rle, shape):
    """Decodes an RLE encoded list of space separated numbers and returns a binary mask."""
    rle = list(map(int, rle.split()))
    rle = np.array(rle, dtype=np.int32).reshape([-1, 2])
    rle[:, 1] += rle[:, 0]
    rle -= 1
    mask = np.zeros([shape[0] * shape[1]], bool)
    for s, e in rle:
        assert 0 <= s < mask.shape[0]
        assert 1 <= e <= mask.shape[0], "shape: {}  s {}  e {}".format(shape, s, e)
        mask[s:e] = 1
    # Reshape and transpose
    mask = mask.reshape([shape[1], shape[0]]).T
    return mask


def mask_to_rle(image_id, mask, scores):
    """Encodes instance masks to submission format."""
    assert mask.ndim == 3, "Mask must be [H, W, count]"
    # If mask is empty, return line with image ID only
    if mask.shape[-1] == 0:
        return "{},".format(image_id)
    # Remove mask overlaps
    # Multiply each instance mask by its score order
    # then take the maximum across the last dimension
    order = np.argsort(scores)[::-1] + 1  # 1-based descending
    mask = np.max(mask * np.reshape(order, [1, 1, -1]), -1)
    # Loop over instance masks
    lines = []
    for o in order:
        m = np.where(mask == o, 1, 0)
        # Skip if empty
        if m.sum() == 0.0:
            continue
        rle = rle_encode(m)
        lines.append("{}, {}".format(image_id, rle))
    return "\n".join(lines)


############################################################
#  Training
############################################################


def train(model, dataset_dir, subset):
    """Train the model."""
    # Training dataset.
    dataset_train = CellDataset()
    dataset_train.load_cell(dataset_dir, subset)
    dataset_train.prepare()

    # Validation dataset
    dataset_val = CellDataset()
    dataset_val.load_cell(dataset_dir, "val")
    dataset_val.prepare()

    # Image augmentation
    # http://imgaug.readthedocs.io/en/latest/source/augmenters.html
    augmentation = iaa.SomeOf(
        (0, 2),
        [
            iaa.Fliplr(0.5),
            iaa.Flipud(0.5),
            iaa.OneOf([iaa.Affine(rotate=90), iaa.Affine(rotate=180), iaa.Affine(rotate=270)]),
            iaa.Multiply((0.8, 1.5)),
            iaa.GaussianBlur(sigma=(0.0, 5.0)),
        ],
    )

    print("Train all layers")
    model.train(dataset_train, dataset_val, learning_rate=config.LEARNING_RATE, epochs=1, augmentation=augmentation, layers="all")


############################################################
#  Detection
############################################################


def detect(model, dataset_dir, subset):
    """Run detection on images in the given directory."""
    print("Running on {}".format(dataset_dir))

    # Create directory
    if not os.path.exists(RESULTS_DIR):
        os.makedirs(RESULTS_DIR)
    submit_dir = "submit_{:%Y%m%dT%H%M%S}".format(datetime.datetime.now())
    submit_dir = os.path.join(RESULTS_DIR, submit_dir)
    os.makedirs(submit_dir)

    # Read dataset
    dataset = CellDataset()
    dataset.load_cell(dataset_dir, subset)
    dataset.prepare()
    # Load over images
    submission = []
    for image_id in dataset.image_ids:
        # Load image and run detection
        image = dataset.load_image(image_id)
        # Detect objects
        r = model.detect([image], verbose=0)[0]
        # Encode image to RLE. Returns a string of multiple lines
        source_id = dataset.image_info[image_id]["id"]
        rle = mask_to_rle(source_id, r["masks"], r["scores"])
        submission.append(rle)
        # Save image with masks
        visualize.display_instances(
            image, r["rois"], r["masks"], r["class_ids"], dataset.class_names, r["scores"], show_bbox=False, show_mask=False, title="Predictions"
        )
        plt.savefig("{}/{}.png".format(submit_dir, dataset.image_info[image_id]["id"]))
        plt.close()

    # Save to csv file
    submission = "ImageId,EncodedPixels\n" + "\n".join(submission)
    file_path = os.path.join(submit_dir, "submit.csv")
    with open(file_path, "w") as f:
        f.write(submission)
    print("Saved to ", submit_dir)


############################################################
#  Evaluation
############################################################


def evaluate(model, dataset_dir):
    """AP over IoU 0.5 to 0.95 of the validation images, as the competition counts."""
    dataset = CellDataset()
    dataset.load_cell(dataset_dir, "val")
    dataset.prepare()
    APs = []
    for image_id in dataset.image_ids:
        image = dataset.load_image(image_id)
        mask, gt_class_id = dataset.load_mask(image_id)
        bbox = utils.extract_bboxes(mask)
        assert bbox.shape == (mask.shape[-1], 4)
        assert (rle_decode(rle_encode(mask[:, :, 0]), mask.shape) == mask[:, :, 0]).all()
        r = model.detect([image], verbose=0)[0]
        AP = utils.compute_ap_range(bbox, gt_class_id, mask, r["rois"], r["class_ids"], r["scores"], r["masks"], verbose=1)
        APs.append(AP)
        # Perfect detections
        perfect = utils.compute_ap_range(bbox, gt_class_id, mask, bbox, gt_class_id, np.ones(len(bbox)), mask, np.arange(0.5, 1.0, 0.1), verbose=0)
        assert perfect == 1
    print("Mean AP over {} images: {:.4f}".format(len(APs), np.mean(APs)))


if __name__ == "__main__":
    dataset_dir = os.path.join(ROOT_DIR, "data")
    make_data(dataset_dir)

    config = CellConfig()
    config.display()
    model = modellib.MaskRCNN(mode="training", config=config, model_dir=DEFAULT_LOGS_DIR)
    train(model, dataset_dir, "train")

    config = CellInferenceConfig()
    model = modellib.MaskRCNN(mode="inference", config=config, model_dir=DEFAULT_LOGS_DIR)
    weights_path = model.find_last()
    print("Loading weights ", weights_path)
    model.load_weights(weights_path, by_name=True)
    evaluate(model, dataset_dir)
    detect(model, dataset_dir, "stage1_test")

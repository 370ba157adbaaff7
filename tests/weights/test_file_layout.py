"""A weight file is described without reading weights, and refused with a reason where it is not one."""

import h5py
import keras
import numpy as np
import pytest
from weight_fakes import GOLDEN, make_weights, small_layout, weighted

from mrcnn.weights import layout


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "original.h5"
    make_weights.write_weights(small_layout(num_classes=9, anchors_per_location=4), path, seed=1)
    return path


def file_with(path, make):
    """A weight file of one layer, conv1, whose group `make` fills."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.asarray([b"conv1"])
        group = file.create_group("conv1")
        group.attrs["weight_names"] = np.asarray([b"conv1/kernel:0"])
        make(group)
    return path


def test_file_tells_its_network(original):
    described = layout.describe(original)
    assert described.facts == layout.Facts("resnet50", 9, 4, 16, 64, 7, 3, "batch")
    assert described.kind == "mask_rcnn"
    assert described.keras_version == "2.2.5"


@pytest.mark.parametrize(
    ("name", "backbone", "classes", "parameters"),
    [("resnet101_coco", "resnet101", 81, 64_158_584), ("resnet50_coco", "resnet50", 81, 45_088_120)],
)
def test_recorded_layouts_have_the_original_facts(name, backbone, classes, parameters):
    recorded = dict(weighted(make_weights.load_layout(GOLDEN / f"layout_{name}.json")))
    assert layout.facts_of(recorded) == layout.Facts(backbone, classes, 3, 256, 1024, 7, 3, "batch")
    assert sum(int(np.prod(shape)) for weights in recorded.values() for _, shape in weights) == parameters


def test_layers_come_in_file_order_with_shapes_and_dtypes(original):
    described = layout.describe(original)
    assert list(described.layers)[:3] == ["conv1", "bn_conv1", "res2a_branch2a"]
    kernel, bias = described.layers["conv1"]
    assert (kernel.name, kernel.path, kernel.shape) == ("conv1/kernel:0", "/conv1/conv1/kernel:0", (7, 7, 3, 4))
    assert bias.dtype == np.float32
    assert [weight.name for weight in described.layers["rpn_model"]][0] == "rpn_conv_shared/kernel:0"


def test_describing_reads_no_weight(original, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a weight was read")

    monkeypatch.setattr(h5py.Dataset, "__getitem__", refuse)
    monkeypatch.setattr(h5py.Dataset, "read_direct", refuse)
    assert layout.describe(original).num_parameters > 0


def test_summary_is_for_people(original):
    text = layout.summary(layout.describe(original))
    assert "Mask R-CNN weights (RGB input)" in text
    assert "backbone: resnet50" in text
    assert "NUM_CLASSES (background included): 9" in text
    assert "anchors per location: 4" in text


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no weight file .*nowhere.h5"):
        layout.describe(tmp_path / "nowhere.h5")


def test_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        layout.describe(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04rest of a zip", "a zip archive, perhaps a .keras file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"\x80\x02}q\x00", "a pickle"),
        (b"\x00" * 100, "not an HDF5 file"),
    ],
)
def test_other_files_are_called_what_they_are(tmp_path, content, reason):
    path = tmp_path / "weights.h5"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        layout.describe(path)


@pytest.mark.parametrize("kept", [20, 2000, -1])
def test_truncated_file_is_refused(original, tmp_path, kept):
    path = tmp_path / "part.h5"
    path.write_bytes(original.read_bytes()[:kept])
    with pytest.raises(ValueError, match="truncated|damaged"):
        layout.describe(path)


def test_hdf5_file_without_weights_is_refused(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["numbers"] = np.arange(3)
    with pytest.raises(ValueError, match="no attribute layer_names"):
        layout.describe(tmp_path / "data.h5")


def test_file_of_weightless_layers_is_refused(tmp_path):
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file.attrs["layer_names"] = np.asarray([b"relu"])
        file.create_group("relu").attrs["weight_names"] = np.zeros(0)
    with pytest.raises(ValueError, match="no layer with weights"):
        layout.describe(tmp_path / "empty.h5")


def test_keras_3_weights_file_is_recognised(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match="Keras 3's own save_weights"):
        layout.describe(tmp_path / "model.weights.h5")


def test_external_link_is_refused(original, tmp_path):
    def link(group):
        group["conv1/kernel:0"] = h5py.ExternalLink(str(original), "/conv1/conv1/kernel:0")

    with pytest.raises(ValueError, match=r"/conv1/conv1/kernel:0 is a link \(ExternalLink\)"):
        layout.describe(file_with(tmp_path / "link.h5", link))


def test_linked_group_is_refused(tmp_path):
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file.attrs["layer_names"] = np.asarray([b"conv1"])
        file["conv1"] = h5py.SoftLink("/")
    with pytest.raises(ValueError, match=r"/conv1 is a link \(SoftLink\)"):
        layout.describe(tmp_path / "link.h5")


def test_virtual_dataset_is_refused(original, tmp_path):
    def virtual(group):
        source = h5py.VirtualLayout((4,), "f4")
        source[:] = h5py.VirtualSource(str(original), "conv1/conv1/bias:0", (4,))
        group.create_virtual_dataset("conv1/kernel:0", source)

    with pytest.raises(ValueError, match="takes its data from another file"):
        layout.describe(file_with(tmp_path / "virtual.h5", virtual))


def test_data_outside_the_file_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(b"\0" * 64)

    def external(group):
        group.create_dataset("conv1/kernel:0", (16,), "f4", external=[(str(tmp_path / "secret"), 0, 64)])

    with pytest.raises(ValueError, match="takes its data from another file"):
        layout.describe(file_with(tmp_path / "external.h5", external))


def test_absurd_shape_is_refused(tmp_path):
    def bomb(group):
        group.create_dataset("conv1/kernel:0", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024), compression="gzip")

    path = file_with(tmp_path / "bomb.h5", bomb)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(ValueError, match="no weight is that large"):
        layout.describe(path)


def test_weight_that_was_never_written_is_refused(tmp_path):
    def reserve(group):
        group.create_dataset("conv1/kernel:0", (7, 7, 3, 64), "f4")

    with pytest.raises(ValueError, match="was never written"):
        layout.describe(file_with(tmp_path / "reserved.h5", reserve))


def test_integers_are_no_weights(tmp_path):
    with pytest.raises(ValueError, match="has dtype int64; weights are floats"):
        layout.describe(
            file_with(tmp_path / "int.h5", lambda group: group.create_dataset("conv1/kernel:0", data=[1, 2]))
        )


def test_listed_but_missing_weight_is_refused(tmp_path):
    with pytest.raises(ValueError, match="lists /conv1/conv1/kernel:0 but does not hold it"):
        layout.describe(file_with(tmp_path / "lost.h5", lambda group: None))


def test_layer_listed_twice_is_refused(original, tmp_path):
    path = tmp_path / "twice.h5"
    path.write_bytes(original.read_bytes())
    with h5py.File(path, "a") as file:
        del file.attrs["layer_names"]
        file.attrs["layer_names"] = np.asarray([b"conv1", b"conv1"])
    with pytest.raises(ValueError, match="lists layer conv1 twice"):
        layout.describe(path)


def test_file_that_changes_between_looking_and_reading_is_refused(original, tmp_path):
    path = tmp_path / "moving.h5"
    path.write_bytes(original.read_bytes())
    weight = layout.describe(path).layers["conv1"][0]
    with h5py.File(path, "a") as file:
        del file["conv1/conv1/kernel:0"]
        file["conv1/conv1/kernel:0"] = np.zeros((3, 3), "f4")
    with pytest.raises(ValueError, match="changed while it was being read"):
        list(layout.read(path, [weight]))

"""One readable line or two say what came from a file."""

from mrcnn.weights import names, report

DETECTOR = (*names.FPN_LAYERS, names.RPN_MODEL, *names.ROI_LAYERS)
RESNET = tuple(names.resnet_layers("resnet50"))
HEADS = ("mrcnn_bbox_fc", "mrcnn_class_logits", "mrcnn_mask")


def test_nothing_loaded_is_all_random():
    assert report.describe(None) == "No weight file: every layer starts at random."


def test_complete_file_is_one_line():
    text = report.describe(report.LoadReport("/a/coco.h5", RESNET + DETECTOR))
    assert text == "From coco.h5: backbone, FPN, RPN, class and box head, mask head (131 of 131 layers)."


def test_excluded_heads_are_named():
    loaded = tuple(name for name in RESNET + DETECTOR if name not in HEADS)
    assert report.describe(report.LoadReport("coco.h5", loaded, excluded=HEADS)).splitlines() == [
        "From coco.h5: backbone, FPN, RPN, class and box head without mrcnn_bbox_fc, mrcnn_class_logits, "
        "mask head without mrcnn_mask (128 of 131 layers).",
        "Random: mrcnn_bbox_fc, mrcnn_class_logits, mrcnn_mask.",
    ]


def test_backbone_without_a_stage_is_a_range():
    loaded = tuple(name for name in RESNET if names.group_of(name) != "stage 5")
    missing = tuple(name for name in RESNET + DETECTOR if name not in loaded)
    assert report.describe(report.LoadReport("imagenet.h5", loaded, missing)).splitlines() == [
        "From imagenet.h5: stages 1-4 (86 of 131 layers).",
        "Random: stage 5, FPN, RPN, class and box head, mask head.",
    ]


def test_custom_backbone_has_a_name():
    text = report.describe(report.LoadReport("x.h5", ("stem", "rpn_model"), ("fpn_p2",)))
    assert text == "From x.h5: backbone, RPN (2 of 3 layers).\nRandom: FPN."


def test_backbone_of_stages_and_other_layers_is_named_once():
    stages = tuple(f"res{stage}a_branch2a" for stage in range(1, 6))
    text = report.describe(report.LoadReport("x.h5", (*stages, "stem", "rpn_model")))
    assert text == "From x.h5: backbone, RPN (7 of 7 layers)."


def test_many_layers_are_cut_short():
    unused = tuple(f"layer{i}" for i in range(9))
    text = report.describe(report.LoadReport("x.h5", ("rpn_model",), unused_in_file=unused))
    assert text.splitlines()[1] == "In the file but not in this network: layer0, layer1, layer2 and 6 more."


def test_partial_part_names_the_shorter_side():
    text = report.describe(report.LoadReport("x.h5", ("fpn_p2",), ("fpn_p3", "fpn_p4")))
    assert text == "From x.h5: fpn_p2 (1 of 3 layers).\nRandom: FPN without fpn_p2."


def test_not_loaded_joins_missing_and_excluded():
    assert report.LoadReport("x.h5", (), ("a",), ("b",)).not_loaded == ("a", "b")

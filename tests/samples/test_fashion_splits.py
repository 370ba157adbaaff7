"""The fashion sample's folds and samples: the command line, what a run remembers, and several runs together."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mrcnn.results import Detections
from mrcnn.training import state

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "samples" / "fashion"))

import fashion  # noqa: E402  (the sample's folder is on the path only now)
import fashion_config  # noqa: E402
import fashion_options  # noqa: E402
import fashion_run  # noqa: E402
import fashion_splits  # noqa: E402

from mrcnn.commands import tune  # noqa: E402
from mrcnn.data.synthetic import CLASS_NAMES, SceneDataset  # noqa: E402
from mrcnn.weights import layout  # noqa: E402


def scenes(count, first=0):
    dataset = SceneDataset()
    dataset.load(count, fashion.SCENE_SERIES, 128, first)
    dataset.prepare()
    return dataset


def names(dataset):
    return [info["id"] for info in dataset.image_info]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--folds", "5"], "--folds and --fold belong together"),
        (["--fold", "2"], "--folds and --fold belong together"),
        (["--folds", "5", "--fold", "6"], "folds are numbered from 1 to 5"),
        (["--folds", "1", "--fold", "1"], "at least 2 are needed"),
        (["--folds", "5", "--fold", "0"], "a whole number of at least 1"),
        (["--sample", "0"], "a whole number of at least 1"),
        (["--dataset", "d", "--folds", "5", "--fold", "1", "--val-share", "0.2"], "--val-share has no meaning"),
    ],
)
def test_contradictions_end_the_program(arguments, message, capsys):
    with pytest.raises(SystemExit):
        fashion_options.parse(["train", *arguments])
    assert message in capsys.readouterr().err


def test_the_options_make_the_plan_of_a_new_run():
    asked = fashion_options.parse(["train", "--folds", "5", "--fold", "2", "--sample", "30", "--seed", "7"])
    assert fashion_splits.Plan.of(asked, None) == fashion_splits.Plan(5, 2, 30, 7)
    assert fashion_splits.Plan.of(fashion_options.parse(["train"]), None) == fashion_splits.Plan()


def test_a_resumed_run_keeps_its_plan_and_refuses_another(tmp_path):
    record = fashion_splits.Plan(5, 2, 30, 7).noted(fashion_run.Record("small", ["hat"], seed=7))
    record.write(str(tmp_path))
    read = fashion_run.Record.read(str(tmp_path / "x.h5"))
    assert (read.folds, read.fold, read.sample) == (5, 2, 30)
    for arguments in ([], ["--folds", "5", "--fold", "2"]):
        assert fashion_splits.Plan.of(fashion_options.parse(["train", *arguments]), read) == fashion_splits.Plan(5, 2, 30, 7)
    for arguments, message in ((["--folds", "5", "--fold", "3"], "--fold 3, but the run.* has 2"), (["--seed", "1"], "made with seed 7")):
        with pytest.raises(ValueError, match=message):
            fashion_splits.Plan.of(fashion_options.parse(["train", *arguments]), read)


def test_a_record_from_before_folds_is_read(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"variant": "small", "classes": ["hat"], "dataset": None, "seed": 3}))
    record = fashion_run.Record.read(str(tmp_path / "x.h5"))
    assert (record.folds, record.fold, record.sample, record.seed) == (None, None, None, 3)


def test_folds_share_out_the_scenes_and_the_report_is_told():
    told, held_out = [], []
    for fold in (1, 2, 3):
        plan = fashion_splits.Plan(3, fold, None, 0)
        train, val = plan.datasets({"all": scenes(18)}.__getitem__, told.append)
        assert sorted(names(train) + names(val)) == sorted(names(scenes(18)))
        held_out += names(val)
    assert sorted(held_out) == sorted(names(scenes(18)))
    assert "fold 2 is held out" in told[1] and "Largest deviation" in told[1]


def test_a_sample_is_drawn_before_the_folds_are_cut():
    told = []
    train, val = fashion_splits.Plan(2, 1, 10, 0).datasets({"all": scenes(18)}.__getitem__, told.append)
    assert train.num_images + val.num_images == 10 and "10 of 18 images" in told[0]


def test_a_sample_without_folds_leaves_the_validation_whole():
    subsets = {"train": scenes(18), "val": scenes(4, fashion.VAL_FIRST)}
    train, val = fashion_splits.Plan(sample=10).datasets(subsets.__getitem__, lambda report: None)
    assert train.num_images == 10 and names(val) == names(subsets["val"])


def test_subsets_of_a_plan():
    subsets = {"all": scenes(12), "train": scenes(12), "val": scenes(4, 100), "test": scenes(4, 200)}
    plan = fashion_splits.Plan(2, 1)
    train, val, test = (names(plan.subset(name, subsets.__getitem__)) for name in ("train", "val", "test"))
    assert sorted(train + val) == sorted(names(subsets["all"])) and test == names(subsets["test"])
    assert names(fashion_splits.Plan().subset("val", subsets.__getitem__)) == names(subsets["val"])
    with pytest.raises(ValueError, match="no --folds"):
        fashion_splits.Plan().subset("test", subsets.__getitem__)


def record(fold, **others):
    return fashion_run.Record("small", list(CLASS_NAMES), **{"seed": 0, "folds": 2, "fold": fold, **others})


def test_runs_of_one_split_are_required():
    fashion_splits.require_one_split(["a", "b"], [record(1), record(2)])
    for second, message in (
        (record(1), "b and a both hold out fold 1"),
        (record(2, seed=1), "b has seed 1, a has 0"),
        (record(2, folds=3), "b has folds 3, a has 2"),
        (record(2, sample=9), "b has sample 9, a has None"),
        (record(None, folds=None), "b is no run of a K-fold split"),
        (fashion_run.Record("small", ["hat"], folds=2, fold=2), "b has other classes than a"),
    ):
        with pytest.raises(ValueError, match=message):
            fashion_splits.require_one_split(["a", "b"], [record(1), second])


class Oracle:
    """Finds what is there, but for one class; stands in for a trained network."""

    def __init__(self, blind_to):
        self.config = fashion_config.make_config("small", 1 + len(CLASS_NAMES))
        self.config.IMAGES_PER_GPU = 2
        self.blind_to = blind_to
        pool = [scenes(12), scenes(4, fashion.VAL_FIRST)]
        self.truth = {d.load_image(i).tobytes(): d.load_mask(i) for d in pool for i in d.image_ids}
        self.seen = []

    def detect(self, images, verbose=0):
        found = []
        for image in images:
            masks, class_ids = self.truth[image.tobytes()]
            self.seen.append(image.tobytes())
            kept = class_ids != self.blind_to
            rows = [np.argwhere(mask) for mask in np.moveaxis(masks[:, :, kept], 2, 0)]
            boxes = [[*points.min(axis=0), *(points.max(axis=0) + 1)] for points in rows]
            found.append(Detections(boxes, class_ids[kept], np.full(kept.sum(), 0.9), masks[:, :, kept]))
        return found


@pytest.mark.parametrize("words", [["--seed", "1"], ["--val-share", "0.3"], ["--dataset", "{folder}", "--seed", "1"]])
def test_photos_that_were_held_back_are_not_trained_on_when_a_run_goes_on(tmp_path, words):
    known = fashion_run.Record("small", ["hat"], dataset=str(tmp_path), val_share=0.1, seed=0)
    words = [word.format(folder=tmp_path) for word in words]
    options = fashion_options.parse(["train", "--weights", "last", *words] + ([] if "--dataset" in words else ["--dataset", str(tmp_path)]))
    with pytest.raises(ValueError, match="training and validation would mix. Leave --(seed|val-share) out"):
        fashion_splits.require_held_back(options, known)
    (tmp_path / "val.csv").touch()  # decides by itself
    fashion_splits.require_held_back(options, known)


def test_what_is_as_recorded_or_of_other_data_is_no_mixture(tmp_path):
    known = fashion_run.Record("small", ["hat"], dataset=str(tmp_path), val_share=0.1, seed=0)
    for words in ([], ["--seed", "0"], ["--dataset", str(tmp_path / "other"), "--seed", "1"]):
        fashion_splits.require_held_back(fashion_options.parse(["train", "--weights", "last", *words]), known)


@pytest.fixture
def two_runs(tmp_path, monkeypatch):
    """Folders of two fold runs over twelve scenes, and their networks: one blind to hats (1), one to bags (8)."""
    monkeypatch.setattr(layout, "describe", lambda path: None)  # the checkpoints are empty
    monkeypatch.setattr(fashion, "TRAIN_SCENES", 12)
    monkeypatch.setattr(fashion, "VAL_SCENES", 4)
    oracles, folders = {}, []
    for fold, blind_to in ((1, 1), (2, 8)):
        folder = tmp_path / f"fashion2026010{fold}T0000"
        folder.mkdir()
        for epoch in (9, 10):
            (folder / f"mask_rcnn_fashion_{epoch:04d}.h5").touch()
        record(fold).write(str(folder))
        folders.append(str(folder))
        oracles[folder.name] = Oracle(blind_to)

    def inference_model(variant, num_classes, logs, checkpoint=None, settings=None):
        assert checkpoint.endswith("_0010.h5")
        return oracles[Path(checkpoint).parent.name]

    monkeypatch.setattr(fashion, "_inference_model", inference_model)
    return folders, list(oracles.values())


def test_each_run_is_evaluated_on_the_fold_it_never_saw(two_runs, capsys):
    folders, oracles = two_runs
    fashion.main(["evaluate", "--weights", *folders])
    pool = scenes(12)
    seen = [{info["id"] for i, info in enumerate(pool.image_info) if pool.load_image(i).tobytes() in o.seen} for o in oracles]
    assert seen[0] | seen[1] == set(names(pool)) and not seen[0] & seen[1]
    held_out = [set(names(fashion_splits.Plan(2, fold).subset("val", lambda name: scenes(12)))) for fold in (1, 2)]
    assert seen == held_out
    lines = capsys.readouterr().out.splitlines()
    (hat,) = (line.split() for line in lines if line.startswith("hat"))
    # One run finds no hat, the other all; pooled, those of the second's fold are found: every one ranks right.
    counts = [(splits_counts(fold)[:, 1]).sum() for fold in (1, 2)]
    assert hat[1:4] == ["0.500", "0.707", f"{counts[1] / sum(counts):.3f}"] and int(hat[4]) == sum(counts)
    (shoe,) = (line.split() for line in lines if line.startswith("shoe"))
    assert shoe[1:4] == ["1.000", "0.000", "1.000"]
    assert any(line.startswith("mAP, class-wise") for line in lines) and not any("Not all images" in line for line in lines)


def splits_counts(fold):
    from mrcnn.data.counts import instance_counts

    return instance_counts(fashion_splits.Plan(2, fold).subset("val", lambda name: scenes(12)))


def test_one_fold_run_is_evaluated_on_its_own_fold(two_runs, capsys):
    folders, _ = two_runs
    fashion.main(["evaluate", "--weights", folders[1]])
    fold = fashion_splits.Plan(2, 2).subset("val", lambda name: scenes(12))
    assert f"val: {fold.num_images} images" in capsys.readouterr().out


def test_thresholds_are_tuned_for_one_run_on_its_own_fold(two_runs, monkeypatch, capsys):
    folders, oracles = two_runs
    tuned = []
    monkeypatch.setattr(tune, "save", lambda *arguments: tuned.append(arguments))
    fashion.main(["evaluate", "--tune", "--map-limit", "3", "--weights", folders[1]])
    ((model, dataset, image_ids, checkpoint),) = tuned
    assert model is oracles[1] and Path(checkpoint).parent.name == Path(folders[1]).name and len(image_ids) == 3
    assert set(names(dataset)) == set(names(fashion_splits.Plan(2, 2).subset("val", lambda name: scenes(12))))
    with pytest.raises(SystemExit) as caught:
        fashion.main(["evaluate", "--tune", "--weights", *folders])
    assert "--tune chooses the thresholds of one run" in str(caught.value.code)


def test_a_run_is_evaluated_with_its_thresholds_as_a_set(two_runs, monkeypatch, capsys):
    """Thresholds that drop hats (1): none of them is found, and all of what is told is right."""
    folders, _ = two_runs

    class Tuned(Oracle):
        def load_thresholds(self, path):
            return 1

        def detect(self, images, verbose=0, lazy_masks=False, thresholds=None):
            self.blind_to = thresholds
            return super().detect(images)

    monkeypatch.setattr(fashion, "_inference_model", lambda *given: Tuned(0))
    for words in ([], ["--subset", "test"]):
        fashion.main(["evaluate", "--thresholds", "--weights", folders[1], *words])
        out = capsys.readouterr().out
        table = {line.split()[0]: line.split()[1:] for line in out.split("as a set, IoU 0.5")[1].splitlines()[1:] if line}
        assert table["hat"] == ["0.000", "0.000", "0.000"] and table["shoe"] == ["1.000", "1.000", "1.000"]
        assert f"mAP, class-wise: {float(table['mean'][-1]):.4f}"[:20] in out
    for words, message in ((["--tune"], "--tune chooses thresholds"), (["--weights", *folders], "tuned for one network")):
        with pytest.raises(SystemExit) as caught:
            fashion.main(["evaluate", "--thresholds", "--weights", folders[1], *words])
        assert message in str(caught.value.code)


def test_runs_and_their_ensemble_are_compared_on_what_no_fold_holds(two_runs, capsys):
    """Each is blind to one class; together they see all, by the rule that one of two is enough at half the score."""
    folders, _ = two_runs
    fashion.main(["evaluate", "--subset", "test", "--weights", *folders])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("test:")]
    present = len(set(np.concatenate([scenes(4, fashion.VAL_FIRST).image_class_ids(i) for i in range(4)]).tolist()))
    figures = [float(line.split()[2].rstrip(",")) for line in lines]
    assert figures == pytest.approx([1 - 1 / present, 1 - 1 / present, 1.0], abs=1e-4) and lines[2].endswith("ensemble")


def test_attributes_are_not_asked_of_runs_without(two_runs, capsys):
    folders, _ = two_runs
    for weights in (folders, folders[:1]):
        with pytest.raises(SystemExit, match="--min-attribute: attributes are measured of runs with --attributes"):
            fashion.main(["evaluate", "--weights", *weights, "--min-attribute", "0.3"])


def test_runs_that_tell_attributes_are_judged_by_these_too(two_runs, capsys):
    folders, oracles = two_runs
    pool = [scenes(12), scenes(4, fashion.VAL_FIRST)]
    truth = {d.load_image(i).tobytes(): d.load_attributes(i) for d in pool for i in d.image_ids}
    attributes = [[one, name] for one, name in pool[0].attribute_names.items()]
    for fold, (folder, oracle) in enumerate(zip(folders, oracles, strict=True), start=1):
        record(fold, attributes=attributes).write(folder)
        oracle.config.NUM_ATTRIBUTES = len(attributes)

        def detect(images, verbose=0, plain=oracle.detect, blind_to=oracle.blind_to, of=oracle.truth):
            found = plain(images)
            for image, one in zip(images, found, strict=True):
                kept = of[image.tobytes()][1] != blind_to
                one.attributes = 0.6 * (np.asarray(truth[image.tobytes()])[kept] == 1)
            return found

        oracle.detect = detect
    for words, count in ((["--subset", "test"], 3), ([], 2)):
        fashion.main(["evaluate", "--weights", *folders, *words])
        assert capsys.readouterr().out.count("attributes, mean F1 1.000 (1.000 – 1.000)") == count
    fashion.main(["evaluate", "--weights", *folders, "--subset", "test", "--min-attribute", "0.7"])
    assert capsys.readouterr().out.count("attributes, mean F1 0.000") == 3
    record(2).write(folders[1])  # one that tells none: neither does the ensemble
    oracles[1].config.NUM_ATTRIBUTES, oracles[1].detect = 0, Oracle(8).detect
    fashion.main(["evaluate", "--weights", *folders, "--subset", "test"])
    assert capsys.readouterr().out.count("attributes, mean F1 1.000") == 1


def test_runs_detect_together(two_runs, tmp_path, capsys):
    folders, _ = two_runs
    photo = tmp_path / "scene.png"
    cv2.imwrite(str(photo), scenes(1).load_image(0)[:, :, ::-1])
    fashion.main(["detect", "--weights", *folders, "--image", str(photo), "--output", str(tmp_path / "out"), "--min-score", "0.4"])
    (result,) = json.loads((tmp_path / "out" / "results.json").read_text())
    found = sorted((d["class_id"], d["score"]) for d in result["detections"])
    truth = sorted(scenes(1).image_class_ids(0).tolist())
    assert found == [(i, 0.45 if i in (1, 8) else 0.9) for i in truth]


def test_a_folder_names_its_newest_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "describe", lambda path: None)  # the files are empty
    for epoch in ("0009", "10000", "9999"):
        (tmp_path / f"mask_rcnn_fashion_{epoch}.h5").touch()
    assert fashion_run.find_checkpoint(str(tmp_path), "").endswith("_10000.h5")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        fashion_run.find_checkpoint(str(tmp_path / "empty"), "")


def test_of_a_folder_a_checkpoint_that_broke_is_skipped_as_with_last(tmp_path, capsys):
    for epoch in (1, 2):
        path = tmp_path / f"mask_rcnn_fashion_{epoch:04d}.h5"
        path.write_bytes(b"weights")
        state.write(str(tmp_path), str(path), {}, {"epoch": epoch, "step": 0})
    assert fashion_run.find_checkpoint(str(tmp_path), "").endswith("_0002.h5")
    path.write_bytes(b"other")
    assert fashion_run.find_checkpoint(str(tmp_path), "").endswith("_0001.h5")
    assert "_0002.h5 has changed since it was saved" in capsys.readouterr().out

"""Attributes of garments beside their classes: "striped", "long (length)". Trained with --attributes, kept in run.json, measured and shown."""


def require(dataset):
    """Return the attributes of a data set as a run keeps them: [[id, name], …].

    Raises:
        ValueError: it names none.
    """
    if not dataset.attribute_names:
        raise ValueError(
            'The data name no attributes: label_descriptions.json has no "attributes". Leave out --attributes, or add them as '
            '{"id": 0, "name": …}; ClassId then says which a garment has, "6_12_44".'
        )
    return [[one, name] for one, name in dataset.attribute_names.items()]


def require_same(record, dataset):
    """Refuse data whose attributes are not those of the run: the network's answers would get wrong names.

    Raises:
        ValueError: they differ.
    """
    if record.attributes and require(dataset) != record.attributes:
        raise ValueError(f"The data name {len(dataset.attribute_names)} attributes, the run was trained with {len(record.attributes)} others.")


def lines(found, names):
    """Return the attributes of each detection as text: ["striped 0.93, red 0.71", "", …].

    Args:
        found: Detections, with or without attributes.
        names: [[id, name], …] of the run.
    """
    said = found.attributes_above()
    return [", ".join(f"{names[i][1]} {found.attributes[number, i]:.2f}" for i in of_one) for number, of_one in enumerate(said)]


def as_json(found, names):
    """Return the attributes of each detection in plain types: a list of {"id", "name", "probability"}, the surest first."""
    return [
        [{"id": names[i][0], "name": names[i][1], "probability": round(float(found.attributes[number, i]), 4)} for i in of_one]
        for number, of_one in enumerate(found.attributes_above())
    ]


def report(gathered, names):
    """Return the table of what was measured, with the interval of the mean F1.

    Args:
        gathered: mrcnn.evaluation.attributes.AttributeAccumulator of the images.
        names: [[id, name], …] of the run.
    """
    table = gathered.result().table([name for _, name in names])
    return f"Attributes, from probability {gathered.min_confidence} on:\n\n{table}\n{interval_line(gathered)}"


def gatherer(model, min_attribute=None):
    """Return what gathers the attributes that a model tells while it is measured, an AttributeAccumulator; None where it tells none.

    Args:
        model: a network, or an ensemble, which tells them where all of its networks do.
        min_attribute: probability from which on an attribute is told; None: the configuration's.
    """
    from mrcnn.evaluation.attributes import AttributeAccumulator

    number = min(one.config.NUM_ATTRIBUTES for one in getattr(model, "models", [model]))
    return AttributeAccumulator(number, min_attribute or model.config.ATTRIBUTE_MIN_CONFIDENCE) if number else None


def interval_line(gathered):
    """Return a line with the mean F1 of gathered attributes and its bootstrap interval."""
    if not (gathered.result().positives > 0).any():
        return "mean F1: no instance that was found has an attribute"
    interval = gathered.interval("f1")
    return f"mean F1 {interval}: in brackets {interval.level:.0%} of {interval.samples} draws of the images, seed 0"

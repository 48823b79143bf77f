"""The starting weights as JAX and TensorFlow would have them: matrices as inputs x outputs, filters as height x width x
inputs x outputs, and the features that a flattened image gives in the order of its channels-last form."""
import numpy as np

EMBEDDINGS = ("embed.weight", "wte.weight", "wpe.weight")


def weights_of(job):
    """By name, contiguous."""
    weights = {}
    for name, value in job.weights.items():
        if name.endswith(("running_mean", "running_var")):
            continue  # training neither reads nor trains them
        if job.model == "cnn" and name == "fc1.weight":
            units = len(value)
            value = value.reshape(units, -1, 7, 7).transpose(0, 2, 3, 1).reshape(units, -1)
        if value.ndim == 4:
            value = value.transpose(2, 3, 1, 0)
        elif value.ndim == 2 and name not in EMBEDDINGS:
            value = value.T
        weights[name] = np.ascontiguousarray(value)
    job.weights = None
    return weights


def batches_of(job):
    """Each as (input, target), with images in that form."""
    target = {"image": "label", "x": "label", "text": "next"}
    batches = []
    for batch in job.batches:
        given = next(name for name in target if name in batch)
        x, y = batch[given], batch.get(target[given], batch.get("y"))
        if given == "image":
            x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
        batches.append((x, y if y.dtype == np.float32 else y.astype(np.int32)))
    job.batches = [None] * len(batches)
    return batches

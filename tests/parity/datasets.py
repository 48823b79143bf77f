"""The data of the cases: what others made is read; our own is written first, the same each time."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from twins import COLOURS, FASHION_MNIST, IMAGES, NORMAL, PHOTOGRAPHS, PICTURES, SENTENCES, SHAKESPEARE

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def read_idx(path):
    raw = Path(path).read_bytes()
    if path.name.endswith(".gz"):
        raw = gzip.decompress(raw)
    rank = raw[3]
    shape = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def read_data(path):
    """The columns of a dataset as f32 (exact for u8), by field name."""
    if path in (FASHION_MNIST, IMAGES):
        directory, suffix = (Path(path), ".gz") if path == FASHION_MNIST else (REPOSITORY / path, "")
        if path == IMAGES:
            write_images(directory)
        return {
            "image": read_idx(directory / f"train-images-idx3-ubyte{suffix}").astype(np.float32),
            "label": read_idx(directory / f"train-labels-idx1-ubyte{suffix}").astype(np.float32),
        }
    if path == COLOURS:
        write_colours(REPOSITORY / path)
        records = np.fromfile(REPOSITORY / path / "data_batch_1.bin", np.uint8).reshape(-1, 1 + 3 * 32 * 32)
        return {
            "image": records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32),
            "label": records[:, 0].astype(np.float32),
        }
    if path == PHOTOGRAPHS:
        images, labels = photographs()
        for image, label in zip(images, labels):
            write_png(REPOSITORY / path / "abcd"[label] / "image.png", image)
        return {"image": images.astype(np.float32), "label": labels.astype(np.float32)}
    if path == SHAKESPEARE:
        text = np.fromfile(REPOSITORY / path, np.uint8)
        return {"text": np.searchsorted(np.unique(text), text).astype(np.float32)}
    if path in (SENTENCES, PICTURES):
        columns = sentences() if path == SENTENCES else pictures()
        np.savez(REPOSITORY / path, **columns)
        return {name: values.astype(np.float32) for name, values in columns.items()}
    if path == NORMAL:
        write_normal(REPOSITORY / path)
    lines = (REPOSITORY / path).read_text().splitlines()
    label = lines[0].split(",").index("label")
    table = np.array([[np.float32(cell) for cell in line.split(",")] for line in lines[1:]], np.float32)
    return {"features": np.delete(table, label, axis=1), "label": table[:, label]}


def write_normal(path):
    numbers = np.random.default_rng(1)
    lines = [",".join([f"x{i}" for i in range(36)] + ["label"])]
    for row in numbers.standard_normal((80, 36)):
        lines.append(",".join([f"{x:.3f}" for x in row] + [str(numbers.integers(4))]))
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def write_colours(directory):
    """Noise, of a brightness of its own in each plane."""
    directory.mkdir(parents=True, exist_ok=True)
    numbers = np.random.default_rng(3)
    images = numbers.integers(0, 160, (12, 3, 32, 32)) + numbers.integers(0, 96, (12, 3, 1, 1))
    labels = numbers.integers(0, 10, (12, 1))
    records = np.concatenate([labels, images.reshape(12, -1)], axis=1).astype(np.uint8)
    records.tofile(directory / "data_batch_1.bin")


def sentences():
    """A target is its source backwards, each token moved by one, behind a 1."""
    numbers = np.random.default_rng(4)
    columns = {"words": numbers.integers(0, 12, (40, 7)), "label": numbers.integers(0, 3, 40)}
    source, target = np.zeros((40, 6), int), np.zeros((40, 7), int)
    for s, t, length in zip(source, target, numbers.integers(3, 7, 40)):
        s[:length] = numbers.integers(2, 11, length)
        t[: length + 1] = [1, *(s[:length][::-1] + 1)]
    columns |= {"source": source, "target": target}
    return {name: values.astype(np.uint16) for name, values in columns.items()}


def pictures():
    """Noise around a blot of the label's colour; the pixels' classes are none, its edge and its middle."""
    numbers = np.random.default_rng(5)
    place = np.stack(np.meshgrid(np.arange(16), np.arange(16), indexing="ij"))
    distance = np.sqrt(((place - numbers.uniform(4, 12, (16, 2, 1, 1))) ** 2).sum(axis=1))
    label = numbers.integers(0, 5, 16)
    colour = 40 * np.stack([label, 4 - label, label % 2 * 4], axis=1)[:, :, None, None]
    image = numbers.integers(0, 80, (16, 3, 16, 16)) + np.where(distance[:, None] < 5, colour, 0)
    columns = {"image": image, "mask": (distance < 5) * 1 + (distance < 3), "label": label}
    return {name: values.astype(np.uint8) for name, values in columns.items()}


def photographs():
    """Waves of three colours, their lengths by the label; little noise, so that the files are small."""
    numbers = np.random.default_rng(6)
    place = np.arange(48)
    labels = np.arange(4)
    images = []
    for label in labels:
        lengths = numbers.uniform(3 + 4 * label, 7 + 4 * label, (2, 3, 1))
        across, down = np.sin(place / lengths + numbers.uniform(0, 6, (2, 3, 1)))
        images.append(120 + 50 * across[:, None] + 50 * down[:, :, None] + 8 * numbers.integers(0, 2, (3, 48, 48)))
    return np.array(images).astype(np.uint8), labels


def write_png(path, image):
    """Of planes; each row is stored as its differences from the row above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = image.transpose(1, 2, 0).reshape(image.shape[1], -1)
    rows = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))  # modulo 256
    data = np.insert(rows, 0, 2, axis=1).tobytes()

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", image.shape[2], image.shape[1], 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def write_images(directory):
    """A blot at a random place, each in a noise of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    numbers = np.random.default_rng(2)
    place = np.stack(np.meshgrid(np.arange(28), np.arange(28), indexing="ij"))
    centre = numbers.uniform(6, 22, (40, 2, 1, 1))
    distance = np.sqrt(((place - centre) ** 2).sum(axis=1))
    images = (np.maximum(0, 220 - 20 * distance) + numbers.integers(0, 16, (40, 28, 28))).astype(np.uint8)
    labels = numbers.integers(0, 10, 40).astype(np.uint8)
    for name, values in {"images-idx3": images, "labels-idx1": labels}.items():
        header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
        (directory / f"train-{name}-ubyte").write_bytes(header + values.tobytes())

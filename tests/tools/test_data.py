"""Each format of data through nnc-train: files that others wrote give the values that they hold, in their order.

A model that learns nothing has as loss of a batch of one example the sum of its elements, each times its place: 1, 2, ..
What losses come is what was read.
"""
import gzip
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(os.environ["NNC_SOURCE_DIR"])
TRAIN = pathlib.Path(os.environ["NNC_BUILD_DIR"]) / "bin/nnc-train"
FIXTURES = ROOT / "tests/fixtures/data"  # by NumPy and Pillow: tests/fixtures/make_data.py
COUNT = [list(range(6 * i, 6 * i + 6)) for i in range(4)]  # what most of its arrays hold

MODEL = """
layer placed(x: f32[N, D]) -> f32[N] {
  param scale: f32[] = ones()
  return scale * sum(x * (1 + iota(D)), axis = 1)
}
train {
  data %s
  loss mean(placed(concat([%s], axis = 1)) as all)
  optimizer sgd(lr = 0)
  batch = 1
  epochs = 1
}
"""


def placed(values):
    return sum((place + 1) * value for place, value in enumerate(values))


def idx(code, shape, content):
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + bytes(content)


class Data(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def write(self, name, content):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def check(self, fields, path, expected, *options, valid=None):
        """`expected`: the elements of each example, field after field; `valid`: of the validation data."""
        names = [field.split(":")[0] for field in fields]
        parts = [f"reshape(f32({name}), [B, {'size(flatten(' + name + ')) / B'}])" for name in names]
        model = self.write("model.nn", MODEL % (", ".join(fields), ", ".join(parts)))
        run = subprocess.run([TRAIN, model, "--data", path, "--no-shuffle", "--summary=json", *map(str, options)],
                             capture_output=True, text=True, timeout=600)
        self.assertEqual(run.returncode, 0, run.stderr)
        figures = json.loads(run.stdout)
        self.assertEqual(figures["losses"], [placed(example) for example in expected])
        if valid is None:
            self.assertIsNone(figures["valid_loss"])
        else:
            self.assertAlmostEqual(figures["valid_loss"], sum(map(placed, valid)) / len(valid), places=3)

    def test_npy(self):
        self.check(["x: u8[2, 3]"], FIXTURES / "u8.npy", COUNT)
        self.check(["x: i32[2, 3]"], FIXTURES / "i32_fortran.npy", [[x - 9 for x in row] for row in COUNT])
        self.check(["x: f32[2, 3]"], FIXTURES / "f64_big_v3.npy", [[x / 4 for x in row] for row in COUNT],
                   "--valid", FIXTURES / "f32_v2.npy", valid=[[x / 2 for x in row] for row in COUNT])

    def test_npz(self):
        labelled = [row + [i] for i, row in enumerate(COUNT)]
        self.check(["image: u8[2, 3]", "label: u8"], FIXTURES / "stored.npz", labelled)
        self.check(["image: u8[2, 3]", "label: i64"], FIXTURES / "by_order.npz", labelled)
        twice = [COUNT[i // 2] + [i % 3] for i in range(8)]
        self.check(["image: f32[2, 3]", "label: u16"], FIXTURES / "deflated.npz", twice[:6], "--max-steps", "6")
        self.check(["label: u8", "image: u8[2, 3]"], FIXTURES / "stored.npz", [[i] + row for i, row in enumerate(COUNT)],
                   "--valid", FIXTURES / "deflated.npz", valid=[[i % 3] + COUNT[i // 2] for i in range(8)])

    def test_idx(self):
        images = [[(7 * i + j) % 256 for j in range(6)] for i in range(3)]
        content = sum(images, [])
        self.write("plain/train-images-idx3-ubyte", idx(8, [3, 2, 3], content))
        self.write("plain/train-labels-idx1-ubyte", idx(8, [3], [9, 0, 255]))
        self.write("plain/t10k-images-idx3-ubyte.gz", gzip.compress(idx(8, [2, 2, 3], content[6:])))
        self.write("plain/t10k-labels-idx1-ubyte.gz", gzip.compress(idx(8, [2], [1, 2])))
        self.check(["image: u8[2, 3]", "label: u8"], self.dir / "plain",
                   [image + [label] for image, label in zip(images, [9, 0, 255])],
                   valid=[images[1] + [1], images[2] + [2]])

    def test_cifar(self):
        def record(label):
            return bytes([label]) + bytes((label + i) % 251 for i in range(3 * 32 * 32))

        def example(label):  # the planes' corners
            return [(label + i) % 251 for i in range(3 * 32 * 32)]

        for number, labels in enumerate([[3, 1], [4], [0, 9]], start=1):
            self.write(f"batches/data_batch_{number}.bin", b"".join(map(record, labels)))
        self.write("batches/test_batch.bin", record(5) + record(6))
        model = """
layer scaled(x: f32[N, D]) -> f32[N, D] {
  param scale: f32[] = ones()
  return x * scale
}
train {
  data image: u8[3, 32, 32], label: u8
  x = f32(image)
  loss sum(scaled(concat([x[:, 0, 0, :2], x[:, 1, :2, 0], x[:, 2, 31, 31:], f32(label)[:, none]], axis = 1) * tensor([1, 1000, 1, 1000, 1, 1000000])) as all)
  optimizer sgd(lr = 0)
  batch = 1
  epochs = 1
}
"""
        run = subprocess.run([TRAIN, self.write("model.nn", model), "--data", self.dir / "batches", "--no-shuffle",
                              "--summary=json"], capture_output=True, text=True, timeout=600)
        self.assertEqual(run.returncode, 0, run.stderr)
        figures = json.loads(run.stdout)

        def value(label):
            x = example(label)
            return x[0] + 1000 * x[1] + x[1024] + 1000 * x[1024 + 32] + x[3071] + 1000000 * label

        self.assertEqual(figures["losses"], [value(label) for label in (3, 1, 4, 0, 9)])
        self.assertEqual(figures["valid_loss"], (value(5) + value(6)) / 2)

    def test_image_folders(self):
        def pixels(name, mode):
            return list((FIXTURES / f"{name}.{mode}").read_bytes())

        classes = {"cats": ["grey.png", "progressive.jpg"], "dogs": ["alpha.png", "palette.png", "rgb.jpg"],
                   "eels": ["bits.png", "grey.jpg", "grey_alpha.png", "rgb.png"]}
        for mode, field in (("rgb", "image: u8[3, 6, 8]"), ("grey", "image: u8[6, 8]")):
            folder = self.dir / mode
            expected, valid = [], []
            for label, (kind, names) in enumerate(classes.items()):
                for name in sorted(names):
                    self.write(f"{mode}/train/{kind}/{name}", (FIXTURES / name).read_bytes())
                    expected.append([label] + pixels(name, mode))
            for kind, name in (("dogs", "rgb.png"), ("eels", "rgb.jpg")):
                self.write(f"{mode}/val/{kind}/{name}", (FIXTURES / name).read_bytes())
                valid.append([list(classes).index(kind)] + pixels(name, mode))
            self.check(["label: u8", field], folder, expected, valid=valid)
            shutil.rmtree(folder / "val")
            self.check(["label: u8", field], folder / "train", expected)

    def test_text(self):
        # Bytes in ascending order: newline, a, b, c and both of e with an acute accent.
        ids = {b: i for i, b in enumerate(sorted("\nabc\u00e9".encode()))}
        text = "cab\u00e9\nabcabcb\u00e9a\nb".encode()
        windows = [[ids[b] for b in text[i:i + 4]] for i in range(0, len(text) - 3, 4)]
        path = self.write("story.txt", text)
        self.check(["text: chars(6)[4]"], path, windows)
        self.check(["text: chars(8)[4]"], path, windows[:-1], "--val-split", "0.25", valid=windows[-1:])
        other = self.write("other.txt", "bcca\u00e9\n")
        self.check(["text: chars(6)[4]"], path, windows, "--valid", other, valid=[[ids[b] for b in b"bcca"]])

    def test_tokens(self):
        numbers = [0, 65535, 300, 5, 255, 256, 7]
        path = self.write("corpus.bin", struct.pack("<7H", *numbers))
        self.check(["text: tokens(65536)[3]"], path, [numbers[:3], numbers[3:6]])
        other = self.write("other.bin", struct.pack("<3H", 1, 2, 3))
        self.check(["text: tokens(65536)[3]"], path, [numbers[:3], numbers[3:6]], "--valid", other, valid=[[1, 2, 3]])

    def test_tables(self):
        plain = self.write("plain.csv", "a,b,label\n1,2,0\n3,4.5,1\n")
        self.check(["features: f32[2]", "label: u8"], plain, [[1, 2, 0], [3, 4.5, 1]])
        # A byte order mark, CRLF and a lone CR, quoted names and cells, blanks, empty lines, no end of the last line.
        wild = self.write("wild.csv", '\ufeff"b", label ,"a,""x"""\r\n\r\n"2" ,0,\t1\r+4.5e0,1.0, "3"\n  \n-0,2,1e-60')
        self.check(["features: f32[2]", "label: u8"], wild, [[2, 1, 0], [4.5, 3, 1], [0, 0, 2]])
        # Columns of text that no field takes; a table of one line; all types.
        named = self.write("named.csv", "name,x,big,small,yes\n\"Smith, Anna\",-7,4294967296,65535,1\n")
        self.check(["yes: bool", "x: i32", "small: u16"], named, [[1, -7, 65535]])
        self.check(["big: i64"], named, [[4294967296]])
        # Elements of a field in rows, and a validation table whose columns have another order.
        rows = self.write("rows.csv", "p,q,r,s,y\n1,2,3,4,5\n6,7,8,9,10\n")
        other = self.write("other.csv", "y,s,r,q,p\n5,4,3,2,1\n")
        self.check(["x: u8[2, 2]", "y: f32"], rows, [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]], "--valid", other,
                   valid=[[1, 2, 3, 4, 5]])


if __name__ == "__main__":
    unittest.main()

"""Broken data is one clear error with its place, exit status 1, and nothing written."""
import gzip
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest
import zipfile
import zlib

ROOT = pathlib.Path(os.environ["NNC_SOURCE_DIR"])
TRAIN = pathlib.Path(os.environ["NNC_BUILD_DIR"]) / "bin/nnc-train"
MLP = ROOT / "examples/mlp.nn"
TABLE = """
train {
  data features: f32[2], label: u8
  loss cross_entropy(linear(features, 3) as fit, label)
  optimizer sgd(lr = 0.1)
  batch = 2
  epochs = 1
}
"""


def idx(magic, dimensions, content):
    return struct.pack(f">{1 + len(dimensions)}I", magic, *dimensions) + content
IMAGES = """
train {
  data image: u8[3, 4, 4], label: u8
  loss cross_entropy(linear(flatten(image / 255, start = 1), 3) as fit, label)
  optimizer sgd(lr = 0.1)
  batch = 2
  epochs = 1
}
"""
LETTERS = """
train {
  data text: chars(20)[9]
  loss cross_entropy(linear(embedding(text[:, :-1], 20, 4) as embed, 20) as out, text[:, 1:])
  optimizer adam()
  batch = 2
  epochs = 1
}
"""


def npy(kind, shape, content):
    header = str({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def png(height, width):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\0" + bytes(3 * width)) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class BadData(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.out = self.dir / "out"
        self.table = self.dir / "table.nn"
        self.table.write_text(TABLE)

    def train(self, model, data):
        return subprocess.run([TRAIN, model, "--data", data, "--out", self.out, "--summary=json"], capture_output=True,
                              text=True, timeout=600)

    def fails(self, model, data, *said):
        done = self.train(model, data)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertEqual(done.stderr.count("error:"), 1, done.stderr)
        for text in said:
            self.assertIn(text, done.stderr)
        self.assertNotIn("epoch", done.stderr)
        self.assertFalse(self.out.exists() and os.listdir(self.out))

    def csv(self, text):
        path = self.dir / "table.csv"
        path.write_text(text)
        return path

    def images(self, count=4, labels=None, image_bytes=None):
        folder = self.dir / "idx"
        folder.mkdir(exist_ok=True)
        content = image_bytes if image_bytes is not None else bytes(count * 28 * 28)
        labels = labels if labels is not None else [i % 10 for i in range(count)]
        (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(0x803, (count, 28, 28), content)))
        (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(0x801, (len(labels),), bytes(labels))))
        return folder

    def file(self, name, content):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def program(self, text):
        return self.file("program.nn", text)

    def npz(self, **arrays):
        path = self.dir / "table.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in arrays.items():
                archive.writestr(name + ".npy", content)
        return path

    def classes(self, count=3):
        for c in range(count):
            for i in range(2):
                self.file(f"images/c{c}/{i}.png", png(4, 4))
        return self.dir / "images"

    def test_sound_data_trains(self):
        done = self.train(self.table, self.csv("a,b,label\n1,2,0\n3,4,2\n5,6,1\n"))
        self.assertEqual(done.returncode, 0, done.stderr)
        sound = [
            (MLP, self.images()),
            (self.table, self.npz(features=npy("<f4", (2, 2), bytes(16)), Label=npy("|u1", (2,), bytes(2)))),
            (self.program(IMAGES), self.classes()),
            (self.file("letters.nn", LETTERS), self.file("text", "hello world " * 20)),
        ]
        for model, data in sound:
            with self.subTest(data=data):
                done = self.train(model, data)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_missing_column(self):
        self.fails(self.table, self.csv("a,b,lable\n1,2,0\n"), "table.csv:1:", "label")

    def test_text_in_a_number(self):
        self.fails(self.table, self.csv("a,b,label\n1,2,0\n1,two,0\n"), "table.csv:3:3: error", "two")

    def test_label_out_of_range(self):
        self.fails(self.table, self.csv("a,b,label\n1,2,0\n1,2,3\n"), "table.csv:3:5: error", "3")

    def test_label_that_does_not_fit_its_type(self):
        self.fails(self.table, self.csv("a,b,label\n1,2,300\n"), "table.csv:2:5: error", "300")

    def test_empty_files(self):
        self.fails(self.table, self.csv(""), "table.csv", "empty")
        self.fails(self.table, self.csv("a,b,label\n"), "table.csv")

    def test_row_too_short(self):
        self.fails(self.table, self.csv("a,b,label\n1,2,0\n1,2\n"), "table.csv:3:")

    def test_tables_of_another_kind(self):
        for text, *said in [
            ("a;b;label\n1;2;0\n", "a comma separates columns"),
            ("a\tb\tlabel\n1\t2\t0\n", "a comma separates columns"),
            ("1,2,0\n3,4,1\n", "the first line has the names of the columns"),
            ("a,a,label\n1,2,0\n", "`a` is there twice"),
            ("a,b,c,label\n1,2,3,0\n", "takes 2 columns", "`a`, `b`, `c`"),
            ("a,b,label\n1,nan,0\n", "table.csv:2:3: error", "not a finite number"),
            ("a,b,label\n1,inf,0\n", "table.csv:2:3: error", "not a finite number"),
            ("a,b,label\n1,,0\n", "table.csv:2:3: error", "found nothing"),
            ("a,b,label\n1,1e400,0\n", "table.csv:2:3: error", "too large"),
            ("a,b,label\n\"1,5\",2,0\n", "table.csv:2:1: error", "expected a number"),
            ("a,b,label\n1,2,0.5\n", "table.csv:2:5: error", "not a whole number"),
            ("a,b,label\n1,2,-1\n", "table.csv:2:5: error", "outside u8's 0 to 255"),
        ]:
            with self.subTest(text=text):
                self.fails(self.table, self.csv(text), *said)
        for content, *said in [("a,b,label\n1,2,0\n".encode("utf-16"), "not text in UTF-8"),
                               (b"a,b,label\n1,2,0\n\0\0\0", "table.csv:3:"), (bytes(range(200, 256)), "no column")]:
            with self.subTest(content=content):
                self.fails(self.table, self.file("table.csv", content), *said)

    def test_arrays(self):
        two = npy("<f4", (2, 2), bytes(16))
        labels = npy("|u1", (2,), bytes(2))
        for arrays, *said in [
            ({"features": two, "target": labels}, "no array for field `label`", "`features`, `target`"),
            ({"features": npy("<f2", (2, 2), bytes(8)), "label": labels}, "array `features`", "`<f2`"),
            ({"features": npy("<c8", (2, 2), bytes(32)), "label": labels}, "array `features`", "`<c8`"),
            ({"features": two, "label": npy("<U1", (2,), bytes(8))}, "array `label`", "`<U1`"),
            ({"features": npy("<f4", (2, 3), bytes(24)), "label": labels}, "f32[2]", "[3]"),
            ({"features": npy("<f4", (2, 2), struct.pack("<4f", 1, 2, float("nan"), 4)), "label": labels}, "example 2"),
            ({"features": two, "label": npy("|u1", (3,), bytes(3))}, "3 examples", "2"),
            ({"features": two, "label": npy("<i8", (2,), struct.pack("<2q", 0, -1))}, "example 2 has -1"),
            ({"features": two, "label": npy("<f8", (2,), struct.pack("<2d", 0, 0.5))}, "not a whole number"),
            ({"features": two, "label": npy("<i8", (2,), struct.pack("<2q", 0, 3))}, "3 classes"),
            ({"features": npy("<f4", (0, 2), b""), "label": labels}, "no elements"),
            ({"features": two[:-3], "label": labels}, "array `features`"),
            ({"features": b"hello", "label": labels}, "array `features`"),
        ]:
            with self.subTest(arrays=arrays):
                self.fails(self.table, self.npz(**arrays), *said)
        whole = self.npz(features=two, label=labels).read_bytes()
        for content, *said in [(b"", "empty"), (b"hello" * 99, "expected a zip archive"), (whole[:-30], "truncated")]:
            with self.subTest(content=content):
                self.fails(self.table, self.file("other.npz", content), "other.npz", *said)
        self.fails(self.table, self.file("one.npy", two), "one.npy", "fills one field")

    def test_folders_of_images(self):
        model = self.program(IMAGES)
        whole = png(4, 4)
        for name, content, *said in [
            ("c1/x.png", png(5, 4), "5 x 4 pixels", "expected 4 x 4"),
            ("c1/x.png", b"", "empty"),
            ("c1/x.png", whole[:-20], "damaged"),
            ("c1/x.png", b"not an image", "not an i..."),
            ("c1/x.jpg", b"\xff\xd8\xff\xe0" + bytes(40), "damaged"),
            ("c1/x.gif", b"GIF89a", "expected a .png, .jpg or .jpeg file"),
            ("c1/more/x.png", whole, "found a directory"),
            ("x.png", whole, "has no class"),
            ("c3/x.png", whole, "3 classes"),
        ]:
            with self.subTest(name=name, content=content):
                self.file(self.classes() / name, content)
                self.fails(model, self.dir / "images", "images/" + name.replace("more/x.png", "more"), *said)
            shutil.rmtree(self.dir / "images")
        self.classes()
        (self.dir / "images/c3").mkdir()
        self.fails(model, self.dir / "images", "images/c3", "no images")
        (self.dir / "images/c3").rmdir()
        (self.dir / "images/c1/0.png").unlink()
        (self.dir / "images/c1/0.png").symlink_to(self.dir / "nowhere.png")
        self.fails(model, self.dir / "images", "images/c1/0.png", "cannot read it")
        (self.dir / "nothing").mkdir()
        self.fails(model, self.dir / "nothing", "nothing", "found an empty directory")

    def test_cifar(self):
        model = self.program(IMAGES.replace("[3, 4, 4]", "[3, 32, 32]"))
        record = bytes(3073)
        for content, *said in [(b"", "data_batch_1.bin", "empty"), (record + b"x", "records of 3073 bytes"),
                               (b"\x0b" + record[1:], "data_batch_1.bin", "11"),
                               (record + b"\x03" + record[1:], "example 2 is 3", "3 classes")]:
            with self.subTest(content=content[:2]):
                self.fails(model, self.file("cifar/data_batch_1.bin", content).parent, *said)

    def test_texts(self):
        letters = self.program(LETTERS)
        tokens = self.file("tokens.nn", LETTERS.replace("chars", "tokens"))
        for model, content, *said in [
            (letters, b"", "empty"),
            (letters, b"hello", "windows of 9", "the file has 5"),
            (letters, bytes(range(65, 95)) * 9, "20", "`U` is number 21"),
            (tokens, b"", "empty"),
            (tokens, bytes(51), "even number of bytes"),
            (tokens, bytes(40) + b"\x14\0" + bytes(40), "token 21", "20"),
            (tokens, b"hello world" * 8, "values 0 to 19"),
        ]:
            with self.subTest(content=content):
                self.fails(model, self.file("text", content), "text", *said)
        self.fails(letters, self.csv("a"), "field `text` is chars, which a text file fills")
        self.fails(letters, self.dir / "nowhere", "nowhere", "cannot read it")

    def test_idx_files(self):
        for content, *said in [
            (b"", "ends within"),
            (idx(0x803, (4, 28, 28), bytes(4 * 784))[:3], "ends within"),
            (idx(0x803, (4, 28, 28), bytes(4 * 784 + 2)), "there are more"),
            (idx(0x803, (4, 27, 28), bytes(4 * 27 * 28)), "u8[28,28]", "[27,28]"),
            (idx(0x803, (4000000000, 4000, 4000), b"x"), "truncated"),
            (b"hello world", "expected an IDX header"),
        ]:
            with self.subTest(content=content[:20]):
                folder = self.images()
                (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
                self.fails(MLP, folder, "train-images-idx3-ubyte.gz", *said)
        folder = self.images()
        (folder / "train-images-idx3-ubyte.gz").write_bytes(idx(0x803, (4, 28, 28), bytes(4 * 784)))
        self.fails(MLP, folder, "not a gzip file")
        (folder / "train-images-idx3-ubyte.gz").unlink()
        self.fails(MLP, folder, "field `image` needs a file train-images-idx3-ubyte")

    def test_missing_path_and_wrong_kind(self):
        self.fails(self.table, self.dir / "nowhere.csv", "nowhere.csv")
        (self.dir / "notes.md").write_text("a")
        self.fails(self.table, self.dir / "notes.md", "notes.md", ".csv")

    def test_truncated_gzip(self):
        folder = self.images()
        path = folder / "train-images-idx3-ubyte.gz"
        path.write_bytes(path.read_bytes()[:-12])
        self.fails(MLP, folder, "train-images-idx3-ubyte.gz")

    def test_fewer_bytes_than_the_header_says(self):
        self.fails(MLP, self.images(image_bytes=bytes(1000)), "train-images-idx3-ubyte.gz")

    def test_numbers_of_images_and_labels_differ(self):
        self.fails(MLP, self.images(labels=[1, 2, 3]), "4", "3")

    def test_image_label_out_of_range(self):
        self.fails(MLP, self.images(labels=[1, 2, 10, 3]), "train-labels-idx1-ubyte.gz", "10")


if __name__ == "__main__":
    unittest.main()

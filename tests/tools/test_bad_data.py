"""Broken data is one clear error with its place, exit status 1, and nothing written."""
import gzip
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

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

    def test_sound_data_trains(self):
        done = self.train(self.table, self.csv("a,b,label\n1,2,0\n3,4,2\n5,6,1\n"))
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.train(MLP, self.images())
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

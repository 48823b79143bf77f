#!/usr/bin/env python3
"""Writes images of CIFAR-10's form and format, which are not CIFAR-10: something that examples/resnet20.nn can learn.

    python3 bench/colour_images.py DIR [TRAIN [TEST]]        # 5000 and 1000 images unless said; needs numpy

An image of class k is a grating, turned by 18 k degrees, of random wavelength, phase and colours, in noise.
"""
import pathlib
import sys

import numpy as np


def records(numbers, count):
    label = numbers.integers(0, 10, count)
    angle = np.pi * (label + numbers.uniform(-0.3, 0.3, count)) / 10
    wavelength, phase = numbers.uniform(4, 12, count), numbers.uniform(0, 2 * np.pi, count)
    y, x = np.mgrid[-16:16, -16:16]
    along = x * np.cos(angle)[:, None, None] + y * np.sin(angle)[:, None, None]
    wave = np.sin(2 * np.pi * along / wavelength[:, None, None] + phase[:, None, None])
    middle, swing = numbers.uniform(80, 176, (2, count, 3, 1, 1)) - np.array([0, 128]).reshape(2, 1, 1, 1, 1)
    images = middle + swing * wave[:, None] + numbers.normal(0, 24, (count, 3, 32, 32))
    pixels = images.clip(0, 255).astype(np.uint8).reshape(count, -1)
    return np.concatenate([label[:, None].astype(np.uint8), pixels], axis=1)


def main():
    directory = pathlib.Path(sys.argv[1])
    train, test = ([int(n) for n in sys.argv[2:]] + [5000, 1000][len(sys.argv) - 2 :])[:2]
    directory.mkdir(parents=True, exist_ok=True)
    numbers = np.random.default_rng(0)
    records(numbers, train).tofile(directory / "data_batch_1.bin")
    records(numbers, test).tofile(directory / "test_batch.bin")


main()

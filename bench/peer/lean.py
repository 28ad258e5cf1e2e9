"""What ipmmap does as leanly as Python allows: a file lock by fasteners, mmap, ctypes.

Prints nanoseconds for: lock, write one field, unlock; lock, read one field, unlock.
"""

import ctypes
import mmap
import os
import statistics
import time

import fasteners


class Point2D(ctypes.Structure):
    _fields_ = [("x", ctypes.c_double), ("y", ctypes.c_double)]


class MultiPointsData(ctypes.Structure):
    _fields_ = [("multi_data_int", ctypes.c_int32), ("multi_points", Point2D * 24)]


class Demo(ctypes.Structure):
    _fields_ = [
        ("header_code", ctypes.c_int16),
        ("time_stamp", ctypes.c_double),
        ("data_int", ctypes.c_int32),
        ("data_string", ctypes.c_char * 256),
        ("data_xy", Point2D),
        ("multi_pts", MultiPointsData),
    ]


def update(count):
    for i in range(count):
        with lock.write_lock():
            demo.data_int = i


def read(count):
    for _ in range(count):
        with lock.read_lock():
            demo.data_int


def once(what, count):
    before = time.perf_counter_ns()
    what(count)
    return time.perf_counter_ns() - before


def measure(what):
    """As measure() in measure.h does it."""
    count = 1
    while once(what, count) < 250e3:
        count *= 2
    took = []
    end = time.perf_counter_ns() + float(os.environ.get("BENCH_MS", "100")) * 1e6
    while len(took) < 3 or time.perf_counter_ns() < end:
        took.append(once(what, count) / count)
    return statistics.median(took)


directory = os.environ["BENCH_DIR"]
assert ctypes.sizeof(Demo) == 688
with open(directory + "/lean.mmap", "w+b") as file:
    file.truncate(ctypes.sizeof(Demo))
    demo = Demo.from_buffer(mmap.mmap(file.fileno(), ctypes.sizeof(Demo)))
lock = fasteners.InterProcessReaderWriterLock(directory + "/lean.lock")
print("python.write", measure(update))
print("python.read", measure(read))

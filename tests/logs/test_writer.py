"""The writer of the log: a line that cannot be written costs that line, and nothing waits."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.logs.writer import LogWriter
from tests.support.waiting import eventually

PAGE = 4096
"""The least that a pipe may hold."""
PATIENCE = 60.0

pytestmark = pytest.mark.requirement("E9")


class Pipe:
    """A small pipe."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, PAGE)

    def read(self) -> bytes:
        return os.read(self.reader, 1 << 20)

    def close(self) -> None:
        os.close(self.writer)
        os.close(self.reader)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def accounted(pipe: Pipe, lines: int) -> tuple[list[bytes], int]:
    """The lines that arrive and the number of those reported as dropped, once they are so many together."""
    text, kept, dropped = b"", list[bytes](), 0
    while len(kept) + dropped < lines or not text.endswith(b"\n"):
        text += pipe.read()
        arrived = text.splitlines()
        kept = [line for line in arrived if not line.startswith(b"dropped")]
        dropped = sum(int(line.split()[1]) for line in arrived if line.startswith(b"dropped"))
    return kept, dropped


@contextmanager
def writing(descriptor: int, room: int = 1 << 20) -> Iterator[tuple[LogWriter, list[int]]]:
    """A writer, and the numbers of dropped lines that it reports."""
    reported: list[int] = []

    def report(lines: int) -> None:
        reported.append(lines)
        writer.write(b"dropped %d\n" % lines)

    writer = LogWriter(descriptor, report, room)
    yield writer, reported
    writer.flush(PATIENCE)


def test_lines_arrive_in_their_order_and_a_flush_waits_for_them(pipe: Pipe) -> None:
    with writing(pipe.writer) as (writer, reported):
        lines = [b"line %d\n" % number for number in range(100)]
        for line in lines:
            writer.write(line)
        writer.flush(PATIENCE)
        assert pipe.read() == b"".join(lines)
        assert (writer.is_failing, reported) == (False, [])


class Rest:
    """The rest of the thread after it has written all lines, which lasts until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        monkeypatch.setattr("app.logs.writer.sleep", self)

    def __call__(self, _: float) -> None:
        self.begun.set()
        self.may_end.wait(PATIENCE)


def test_lines_that_come_while_the_thread_rests_are_written_together(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = Rest(monkeypatch)
    with writing(pipe.writer) as (writer, _):
        writer.write(b"first\n")
        assert pipe.read() == b"first\n"
        rest.begun.wait(PATIENCE)
        for _ in range(3):
            writer.write(b"more\n")
        rest.may_end.set()
        assert pipe.read() == b"more\n" * 3


@pytest.mark.parametrize("is_file", [True, False])
def test_what_several_processes_may_write_is_uncut_in_a_pipe_and_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_file: bool
) -> None:
    """POSIX promises it for PIPE_BUF bytes to a pipe, and Linux for each write to a file."""
    path, sizes, write = tmp_path / "log", list[int](), os.write

    def noted(descriptor: int, data: bytes) -> int:
        sizes.append(len(data))
        return write(descriptor, data)

    rest = Rest(monkeypatch)
    monkeypatch.setattr("app.logs.writer.os.write", noted)
    reader, descriptor = (-1, os.open(path, os.O_WRONLY | os.O_CREAT)) if is_file else os.pipe()
    lines = [b"%099d\n" % number for number in range(100)]
    with writing(descriptor) as (writer, _):
        writer.write(lines[0])
        rest.begun.wait(PATIENCE)
        for line in lines[1:]:
            writer.write(line)
        rest.may_end.set()
        writer.flush(PATIENCE)
    written = path.read_bytes() if is_file else os.read(reader, 1 << 20)
    assert written == b"".join(lines)
    assert sizes == ([100, 9900] if is_file else [100, 4000, 4000, 1900])


def test_a_reader_that_stalls_costs_lines_that_are_counted_and_reported_when_it_reads_again(
    pipe: Pipe,
) -> None:
    line = b"x" * 99 + b"\n"
    with writing(pipe.writer, room=10_000) as (writer, reported):
        for _ in range(1000):
            writer.write(line)
        assert writer.is_failing
        kept, dropped = accounted(pipe, 1000)
        assert dropped == sum(reported) > 800
        assert kept == [line[:-1]] * len(kept)
        assert not writer.is_failing


def test_several_threads_lose_no_line_and_count_every_dropped_one(pipe: Pipe) -> None:
    with writing(pipe.writer, room=10_000) as (writer, _):

        def write() -> None:
            for _ in range(500):
                writer.write(b"y" * 99 + b"\n")

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kept, dropped = accounted(pipe, 2000)
        assert dropped > 0
        assert kept == [b"y" * 99] * len(kept)


@pytest.mark.parametrize("descriptor", ["gone", "full", "closed"])
def test_lines_that_the_system_refuses_are_dropped_and_reported_once_one_is_written(
    descriptor: str, pipe: Pipe, tmp_path: Path
) -> None:
    output = Pipe() if descriptor == "gone" else None
    number = output.writer if output else os.open("/dev/full", os.O_WRONLY)
    if output:
        os.close(output.reader)
    with writing(number if descriptor != "closed" else -1) as (writer, reported):
        for _ in range(3):
            writer.write(b"lost\n")
        writer.flush(PATIENCE)
        assert (writer.is_failing, reported) == (True, [])
        if descriptor != "closed":
            os.dup2(pipe.writer, number)  # As if there were a reader, or room, again.
            writer.write(b"kept\n")
            writer.flush(PATIENCE)
            writer.flush(PATIENCE)
            assert pipe.read() == b"kept\ndropped 3\n"
            assert (writer.is_failing, reported) == (False, [3])
    os.close(number)


def test_a_line_after_one_that_was_cut_begins_on_a_line_of_its_own(pipe: Pipe) -> None:
    cut = Pipe()
    with writing(cut.writer) as (writer, _):
        writer.write(b"first\n" + b"z" * (2 * PAGE) + b"\n")  # Larger than the pipe, so half of it goes out.
        read = 0
        while read < PAGE:
            read += len(os.read(cut.reader, PAGE - read))
        os.close(cut.reader)
        writer.flush(PATIENCE)
        assert writer.is_failing
        os.dup2(pipe.writer, cut.writer)
        writer.write(b"whole\n")
        writer.flush(PATIENCE)
        writer.flush(PATIENCE)
        assert pipe.read() == b"\nwhole\ndropped 1\n"
    os.close(cut.writer)


def test_a_pipe_that_another_process_made_non_blocking_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    line = b"w" * 999 + b"\n"
    with writing(pipe.writer) as (writer, reported):
        for _ in range(20):
            writer.write(line)
        text = b""

        def is_complete() -> bool:
            nonlocal text
            text += pipe.read()
            return len(text) == 20 * len(line)

        eventually(is_complete)
        writer.flush(PATIENCE)
        assert (text, reported) == (line * 20, [])


def test_a_flush_waits_for_a_stalled_reader_only_as_long_as_it_is_told(pipe: Pipe) -> None:
    with writing(pipe.writer) as (writer, _):
        writer.write(b"v" * (2 * PAGE) + b"\n")
        writer.flush(0.01)
        assert accounted(pipe, 1) == ([b"v" * (2 * PAGE)], 0)

"""A client that goes on whatever happens beside it, and a look at a process's memory. In processes of their own: what the one who
starts them does shall not slow them down."""

import multiprocessing
import socket
import time

from raw_kafka import answer, batch, fetch, produce, produced, record

# Whoever is not answered for so long has met an error.
PATIENCE = 30
PAUSE = 0.02


class Steady:
    """Writes a numbered record and reads it back, again and again, over two connections that stay open."""

    def __init__(self, port, topic):
        self.number = multiprocessing.Value("i", 0)
        self.done = multiprocessing.Value("i", -1)
        self.stopping = multiprocessing.Event()
        self.told, tell = multiprocessing.Pipe(duplex=False)
        arguments = (port, topic, self.number, self.done, self.stopping, tell)
        self.process = multiprocessing.Process(target=_run, args=arguments, daemon=True)
        self.process.start()

    def phase(self, number):
        """Rounds that begin from now on belong to this phase."""
        self.number.value = number

    def served(self):
        """Waits until a round that began in this phase is done, or the client has met an error."""
        until = time.monotonic() + PATIENCE
        while self.done.value != self.number.value and self.process.is_alive() and time.monotonic() < until:
            time.sleep(PAUSE)

    def stop(self):
        """Milliseconds of each round by phase, and what went wrong."""
        self.stopping.set()
        if not self.told.poll(PATIENCE + 5):
            self.process.kill()
            return {}, "it did not end"
        result = self.told.recv()
        self.process.join()
        return result


def _run(port, topic, number, done, stopping, tell):
    rounds, error, count = {}, None, 0
    try:
        writer = socket.create_connection(("127.0.0.1", port), PATIENCE)
        reader = socket.create_connection(("127.0.0.1", port), PATIENCE)
        for stream in (writer, reader):
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not stopping.is_set():
            phase, began = number.value, time.monotonic()
            value = b"steady %d" % count
            writer.sendall(produce(batch(record(value)), topic))
            code, offset = produced(answer(writer))
            assert code == 0, f"the write was answered with {code}"
            reader.sendall(fetch(topic, offset))
            assert value in answer(reader), f"{value} is not at offset {offset}"
            rounds.setdefault(phase, []).append((time.monotonic() - began) * 1000)
            done.value = phase
            count += 1
            time.sleep(PAUSE)
    except (OSError, AssertionError) as failure:
        error = f"{type(failure).__name__}: {failure}, in round {count}"
    tell.send((rounds, error))


class Watch:
    """A process's largest resident memory by phase, looked at twenty times a second."""

    def __init__(self, pid):
        self.number = multiprocessing.Value("i", 0)
        self.stopping = multiprocessing.Event()
        self.told, tell = multiprocessing.Pipe(duplex=False)
        arguments = (pid, self.number, self.stopping, tell)
        self.process = multiprocessing.Process(target=_watch, args=arguments, daemon=True)
        self.process.start()

    def phase(self, number):
        self.number.value = number

    def stop(self):
        """MiB by phase."""
        self.stopping.set()
        largest = self.told.recv()
        self.process.join()
        return largest


def _watch(pid, number, stopping, tell):
    largest = {}
    while not stopping.wait(0.05):
        try:
            with open(f"/proc/{pid}/status") as status:
                kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
        except (OSError, StopIteration):
            break
        largest[number.value] = max(largest.get(number.value, 0), kib >> 10)
    tell.send(largest)

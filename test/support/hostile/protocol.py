"""The protocol of docs/protocol.md, spoken by hand: what a hostile client (client.py) and a hostile server (server.py) have in common."""

import ctypes
import fcntl
import json
import mmap
import os
import select
import signal
import socket
import struct
import sys
import time

PATIENCE = 20  # seconds; far more than anything here needs
MAGIC = b'NESTRSM\n'
HELLO, WELCOME, REFUSE, REGISTER, OBTAIN, DESCRIPTORS, NOTICE = range(1, 8)
PAGE = 4096
RING = 128
END_OF_SPAN = 0xFFFFFFFF
FIRST, FRAGMENT, LAST = 1, 2, 4
IMMEDIATE, EVENTS, REQUESTS = 0, 1, 2
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
MINE = [(64, 64, 16), (4096, 16, 16)]
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """A test run that is killed leaves no process behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def fork():
    pid = os.fork()
    if pid == 0:
        die_with_parent()
    return pid


def say(**words):
    """A line that the test reads while this goes on."""
    print(json.dumps(words), flush=True)


def run(acts):
    """PROGRAM SOCKET ACT [JSON arguments]: prints what the act returns as its last line."""
    die_with_parent()
    path, act, *rest = sys.argv[1:]
    say(**acts[act](path, *json.loads(rest[0] if rest else '[]')))


def up(value, unit):
    return (value + unit - 1) // unit * unit


class Layout:
    """Where the words of a channel stand, for a geometry in ascending order of partition size."""

    def __init__(self, geometry):
        self.geometry = geometry
        partitions = sum(g[1] for g in geometry)
        self.slots = 1 << (partitions - 1).bit_length()
        self.started = RING + 16 * self.slots
        self.release_size = up(self.started + 8 * partitions, PAGE)
        at = RING + 16 * self.slots
        self.directories, self.offsets, self.first_cell = [], [], []
        cell = 0
        for _, count, _ in geometry:
            self.directories.append(at)
            self.first_cell.append(cell)
            at += 16 * count
            cell += count
        for size, count, _ in geometry:
            at = up(at, PAGE)
            self.offsets.append(at)
            at += size * count
        self.target_size = up(at, PAGE)

    def place(self, group, partition):
        return self.offsets[group] + partition * self.geometry[group][0]


def frame(kind, body, descriptors=0):
    return struct.pack('<IHH', len(body), kind, descriptors) + body


def text(value):
    return struct.pack('<H', len(value)) + value


def describe_geometry(geometry):
    return struct.pack('<H', len(geometry)) + b''.join(struct.pack('<III', *g) for g in geometry)


def read_geometry(body, at):
    count = struct.unpack_from('<H', body, at)[0]
    return sorted(struct.unpack_from('<III', body, at + 2 + 12 * i) for i in range(count))


def after_texts(body, at, count):
    for _ in range(count):
        at += 2 + struct.unpack_from('<H', body, at)[0]
    return at


def hello(magic=MAGIC, order=0x0102, versions=(1, 1), service=b'hostile', geometry=MINE, max_message=1 << 20, identity=b'raw'):
    body = magic + struct.pack('<HHHIQQ', order, versions[0], versions[1], 0, 77, max_message) + text(identity) + text(service)
    return frame(HELLO, body + describe_geometry(geometry))


def region(size, seals=SEALS):
    fd = os.memfd_create('hostile', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def event(payload, fmt=1, pattern=b'event'):
    return struct.pack('<BBBBI', 1, fmt, 16, 0, len(pattern)) + pattern + payload


def request(payload, fmt=1, pattern=b'echo', number=1):
    return struct.pack('<BBBBI', 2, fmt, 16, 0, len(pattern)) + pattern + struct.pack('<I', number) + payload


def reply(number, payload, fmt=1, flags=6):
    return struct.pack('<BBBBI', 5, fmt, flags, 0, number) + payload


class Peer:
    """One end of a connection. `mine` is the layout of what it receives into, `theirs` that of the other end."""

    def __init__(self, control):
        self.socket = control
        self.socket.settimeout(PATIENCE)
        self.bytes = b''
        self.descriptors = []
        self.sequence = 0
        self.releases = 0
        self.seen = 0

    def next_frame(self):
        """(kind, body), or None at the end."""
        while True:
            if len(self.bytes) >= 8:
                length, kind, _ = struct.unpack_from('<IHH', self.bytes)
                if len(self.bytes) >= 8 + length:
                    body = self.bytes[8 : 8 + length]
                    self.bytes = self.bytes[8 + length :]
                    return kind, body
            try:
                data, descriptors, _, _ = socket.recv_fds(self.socket, 16384, 8)
            except ConnectionResetError:
                return None
            self.descriptors += descriptors
            if not data:
                return None
            self.bytes += data

    def expect(self, kind):
        received = self.next_frame()
        assert received and received[0] == kind, (kind, received)
        return received[1]

    def send(self, data, descriptors=()):
        try:
            if descriptors:
                socket.send_fds(self.socket, [data], list(descriptors))
            else:
                self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the refusal stands in the socket

    def describe(self, **changes):
        """The body of register and descriptors."""
        given = {'target_size': self.mine.target_size, 'release_size': self.theirs.release_size, 'region': 0, **changes}
        body = struct.pack('<QQH', given['target_size'], given['release_size'], len(self.mine.geometry))
        for i, (size, count, span) in enumerate(self.mine.geometry):
            offset = given.get('offset', self.mine.offsets[i])
            length = given.get('length', size * count)
            directory = given.get('directory', self.mine.directories[i])
            partitions = given.get('partitions', count)
            body += struct.pack('<IQQQIIIQ', given['region'], offset, length, directory, size, partitions, span, 0)
        return body

    def allocate(self, target=None, release=None, bell=None):
        self.own_target = region(self.mine.target_size) if target is None else target
        self.own_release = region(self.theirs.release_size) if release is None else release
        if bell is None:
            self.bell_in, bell = os.pipe()
        self.own_bell = bell
        return [self.own_target, self.own_release, bell]

    def adopt(self):
        """Maps what the other end has passed."""
        self.target_fd, release, self.bell = self.descriptors[:3]
        self.target = mmap.mmap(self.target_fd, self.theirs.target_size)
        self.release = mmap.mmap(release, self.mine.release_size)
        self.arrivals = mmap.mmap(self.own_target, self.mine.target_size, prot=mmap.PROT_READ)

    # As a sender

    def entry(self, group, partition, length, following=END_OF_SPAN, lane=EVENTS, mark=FIRST, attempt=0):
        word1 = lane << 56 | mark << 48 | attempt << 32
        struct.pack_into('<QQ', self.target, self.theirs.directories[group] + 16 * partition, length << 32 | following, word1)

    def announce(self, group, partition, sequence=None):
        """The order slot: what stands in the directory is a message from now on."""
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        at = RING + 16 * (self.sequence % self.theirs.slots)
        struct.pack_into('<Q', self.target, at, group << 32 | partition)
        struct.pack_into('<Q', self.target, at + 8, sequence)

    def commit(self, payload, group=0, partition=0, lane=EVENTS, mark=FIRST):
        """A message by the rules; ring() follows."""
        size = self.theirs.geometry[group][0]
        count = max(1, up(len(payload), size) // size)
        at = self.theirs.place(group, partition)
        self.target[at : at + len(payload)] = payload
        for i in range(count):
            following = END_OF_SPAN if i + 1 == count else partition + i + 1
            self.entry(group, partition + i, 0 if i else len(payload), following, lane, 0 if i else mark)
        self.announce(group, partition)

    def ring(self):
        try:
            os.write(self.bell, b'!')
        except (BrokenPipeError, BlockingIOError):
            pass

    def released(self):
        """How many releases the other end has written for what was committed here."""
        mine = getattr(self, 'own_records', None) or mmap.mmap(self.own_release, self.theirs.release_size, prot=mmap.PROT_READ)
        self.own_records = mine
        while struct.unpack_from('<Q', mine, RING + 16 * (self.seen % self.theirs.slots) + 8)[0] & 0xFFFFFFFF == self.seen + 1:
            self.seen += 1
        return self.seen

    # As a receiver

    def arrived(self, number):
        at = RING + 16 * (number % self.mine.slots)
        return struct.unpack_from('<Q', self.arrivals, at + 8)[0] == number

    def arrival(self, number=1):
        """Waits for the other end's message of that number; (its sequence, its cell)."""
        self.until(lambda: self.arrived(number))
        body = struct.unpack_from('<Q', self.arrivals, RING + 16 * (number % self.mine.slots))[0]
        return number, self.mine.first_cell[body >> 32] + (body & 0xFFFFFFFF)

    def message(self, number):
        """(lane, bytes) of the other end's message of that number."""
        self.until(lambda: self.arrived(number))
        body = struct.unpack_from('<Q', self.arrivals, RING + 16 * (number % self.mine.slots))[0]
        group, partition = body >> 32, body & 0xFFFFFFFF
        word0, word1 = struct.unpack_from('<QQ', self.arrivals, self.mine.directories[group] + 16 * partition)
        at = self.mine.place(group, partition)
        return word1 >> 56, self.arrivals[at : at + (word0 >> 32)]

    def give_back(self, sequence, cell, outcome=1):
        at = RING + 16 * (self.releases % self.mine.slots)
        self.releases += 1
        struct.pack_into('<Q', self.release, at, sequence << 4 | outcome)
        struct.pack_into('<Q', self.release, at + 8, cell << 32 | self.releases)

    def start(self, cell, sequence):
        struct.pack_into('<Q', self.release, self.mine.started + 8 * cell, sequence)

    # How it ends

    def until(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, 'waited too long'
            time.sleep(0.001)

    def ended(self):
        """The other end has written a last frame, or hung up."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def outcome(self):
        """How the other end ended it."""
        said = {'ended': False, 'code': None, 'text': None}
        try:
            while True:
                received = self.next_frame()
                if received is None:
                    said['ended'] = True
                    return said
                kind, body = received
                if kind == REFUSE:
                    length = struct.unpack_from('<H', body)[0]
                    said['code'] = body[2 : 2 + length].decode()
                    said['text'] = body[4 + length :].decode()
        except socket.timeout:
            return said

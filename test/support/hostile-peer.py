"""A peer that speaks the protocol of docs/protocol.md by hand and breaks it as the test says.

  python3 hostile-peer.py SOCKET ACT [JSON arguments]

Ends when the server has ended the connection (or after PATIENCE), and prints one line of JSON: {"ended", "code", "text", ...}.
"""

import fcntl
import json
import mmap
import os
import select
import signal
import socket
import struct
import sys
import tempfile
import threading
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


def frame(kind, body, descriptors=0):
    return struct.pack('<IHH', len(body), kind, descriptors) + body


def text(value):
    return struct.pack('<H', len(value)) + value


def hello(magic=MAGIC, order=0x0102, versions=(1, 1), service=b'hostile', geometry=MINE, max_message=1 << 20):
    body = magic + struct.pack('<HHHIQQ', order, versions[0], versions[1], 0, 77, max_message) + text(b'raw') + text(service)
    body += struct.pack('<H', len(geometry)) + b''.join(struct.pack('<III', *g) for g in geometry)
    return frame(HELLO, body)


def region(size, seals=SEALS):
    fd = os.memfd_create('hostile', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


class Peer:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
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

    def send(self, data, descriptors=()):
        try:
            if descriptors:
                socket.send_fds(self.socket, [data], list(descriptors))
            else:
                self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the refusal stands in the socket

    def greet(self, geometry=MINE):
        self.mine = Layout(geometry)
        self.send(hello(geometry=geometry))
        kind, body = self.next_frame()
        assert kind == WELCOME, (kind, body)
        at = 2 + 4 + 8 + 8
        for _ in range(2):
            at += 2 + struct.unpack_from('<H', body, at)[0]
        count = struct.unpack_from('<H', body, at)[0]
        self.theirs = Layout(sorted(struct.unpack_from('<III', body, at + 2 + 12 * i) for i in range(count)))

    def describe(self, **changes):
        given = {'target_size': self.mine.target_size, 'release_size': self.theirs.release_size, 'region': 0, **changes}
        body = struct.pack('<QQH', given['target_size'], given['release_size'], len(self.mine.geometry))
        for i, (size, count, span) in enumerate(self.mine.geometry):
            offset = given.get('offset', self.mine.offsets[i])
            length = given.get('length', size * count)
            directory = given.get('directory', self.mine.directories[i])
            partitions = given.get('partitions', count)
            body += struct.pack('<IQQQIIIQ', given['region'], offset, length, directory, size, partitions, span, 0)
        return body

    def form(self, target=None, release=None, bell=None, **changes):
        self.own_target = region(self.mine.target_size) if target is None else target
        self.own_release = region(self.theirs.release_size) if release is None else release
        if bell is None:
            self.bell_in, bell = os.pipe()
        self.own_bell = bell
        body = self.describe(**changes)
        self.send(frame(REGISTER, body, 3), [self.own_target, self.own_release, bell])
        self.send(frame(OBTAIN, b''))

    def obtain(self):
        kind, body = self.next_frame()
        assert kind == DESCRIPTORS, (kind, body)
        target, release, self.bell = self.descriptors[:3]
        self.target = mmap.mmap(target, self.theirs.target_size)
        self.release = mmap.mmap(release, self.mine.release_size)
        self.target_fd = target
        self.replies = mmap.mmap(self.own_target, self.mine.target_size, prot=mmap.PROT_READ)

    def formed(self, geometry=MINE, **changes):
        self.greet(geometry)
        self.form(**changes)
        self.obtain()
        return self

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

    def place(self, group, partition):
        return self.theirs.offsets[group] + partition * self.theirs.geometry[group][0]

    def commit(self, payload, group=0, partition=0, lane=EVENTS, mark=FIRST):
        """A message by the rules; ring() follows."""
        size = self.theirs.geometry[group][0]
        count = max(1, up(len(payload), size) // size)
        at = self.place(group, partition)
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

    def replied(self, number):
        at = RING + 16 * (number % self.mine.slots)
        return struct.unpack_from('<Q', self.replies, at + 8)[0] == number

    def reply(self, number=1):
        """Waits for the server's message of that number; (its sequence, its cell)."""
        at = RING + 16 * (number % self.mine.slots)
        self.until(lambda: self.replied(number))
        body = struct.unpack_from('<Q', self.replies, at)[0]
        return number, self.mine.first_cell[body >> 32] + (body & 0xFFFFFFFF)

    def released(self):
        """How many releases the server has written for what was committed here."""
        mine = getattr(self, 'own_records', None) or mmap.mmap(self.own_release, self.theirs.release_size, prot=mmap.PROT_READ)
        self.own_records = mine
        while struct.unpack_from('<Q', mine, RING + 16 * (self.seen % self.theirs.slots) + 8)[0] & 0xFFFFFFFF == self.seen + 1:
            self.seen += 1
        return self.seen

    def give_back(self, sequence, cell, outcome=1):
        at = RING + 16 * (self.releases % self.mine.slots)
        self.releases += 1
        struct.pack_into('<Q', self.release, at, sequence << 4 | outcome)
        struct.pack_into('<Q', self.release, at + 8, cell << 32 | self.releases)

    def until(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, 'waited too long'
            time.sleep(0.001)

    def outcome(self):
        """How the server ended it."""
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


def event(payload, fmt=1, pattern=b'event'):
    return struct.pack('<BBBBI', 1, fmt, 16, 0, len(pattern)) + pattern + payload


def request(payload, fmt=1, pattern=b'echo', number=1):
    return struct.pack('<BBBBI', 2, fmt, 16, 0, len(pattern)) + pattern + struct.pack('<I', number) + payload


# Regions and bells -----------------------------------------------------------------------------------------------------------------


def spoil_forming(path, how):
    peer = Peer(path)
    peer.greet()
    mine, theirs = peer.mine.target_size, peer.theirs.release_size
    plain = tempfile.TemporaryFile()
    plain.truncate(mine)
    ways = {
        'unsealed target': lambda: peer.form(target=region(mine, 0)),
        'unsealed release': lambda: peer.form(release=region(theirs, 0)),
        'target that may shrink': lambda: peer.form(target=region(mine, fcntl.F_SEAL_GROW)),
        'target that cannot be written': lambda: peer.form(target=region(mine, SEALS | fcntl.F_SEAL_WRITE)),
        'target in a file': lambda: peer.form(target=plain.fileno()),
        'target that is a pipe': lambda: peer.form(target=os.pipe()[0]),
        'target too small': lambda: peer.form(target=region(mine - PAGE)),
        'release too small': lambda: peer.form(release=region(PAGE)),
        'empty target': lambda: peer.form(target=region(0)),
        'target opened for reading': lambda: peer.form(target=os.open('/proc/self/fd/%d' % region(mine), os.O_RDONLY)),
        'release size not agreed': lambda: peer.form(release_size=theirs + PAGE),
        'target beyond maxMemory': lambda: peer.form(target_size=1 << 60),
        'segment beyond its region': lambda: peer.form(offset=mine - PAGE),
        'segment over the ring': lambda: peer.form(offset=0),
        'directory that wraps around': lambda: peer.form(directory=2**64 - 16),
        'more partitions than announced': lambda: peer.form(partitions=1 << 20, length=64 << 20),
        'segment in another region': lambda: peer.form(region=1),
        'bell that is a file': lambda: peer.form(bell=plain.fileno()),
        'bell that is a socket': lambda: peer.form(bell=socket.socketpair()[0].detach()),
    }
    ways[how]()
    return peer.outcome()


def descriptors(path, count):
    """A register frame that brings `count` descriptors where three are due."""
    peer = Peer(path)
    peer.greet()
    given = [region(PAGE) for _ in range(count)]
    peer.send(frame(REGISTER, peer.describe(), 3), given)
    peer.send(frame(OBTAIN, b''))
    return peer.outcome()


def unasked_descriptors(path, count):
    """Descriptors with a frame that has none, again and again."""
    peer = Peer(path)
    for _ in range(count):
        peer.send(hello()[:1], [region(PAGE)])
    return peer.outcome()


def truncate(path):
    """The size of a region is sealed on both sides: nobody takes pages away under a reader."""
    peer = Peer(path).formed()
    failures = []
    for fd in (peer.own_target, peer.own_release, peer.target_fd):
        try:
            os.ftruncate(fd, 0)
        except PermissionError as error:
            failures.append(error.errno)
    os.close(peer.bell)
    peer.socket.shutdown(socket.SHUT_WR)
    return {**peer.outcome(), 'failures': len(failures)}


# Order slots and directory entries ------------------------------------------------------------------------------------------------


def spoil_message(path, how):
    peer = Peer(path).formed()
    groups = peer.theirs.geometry
    size, count, span = groups[0]

    def overlapping():
        for _ in range(count + 1):
            peer.entry(0, 0, 1, lane=REQUESTS)
            peer.announce(0, 0)

    def fragments():
        size, count, span = groups[-1]
        for i in range(4000):
            peer.until(lambda: peer.sequence - peer.released() < count)
            peer.entry(len(groups) - 1, i % count, size, mark=FIRST | FRAGMENT)
            peer.announce(len(groups) - 1, i % count)
            peer.ring()
            if i % 16 == 0 and ended(peer):
                return

    ways = {
        'group': lambda: peer.announce(9, 0),
        'largest group': lambda: peer.announce(0xFFFFFFFF, 0xFFFFFFFF),
        'partition': lambda: peer.announce(0, count),
        'no entry': lambda: peer.announce(0, 3),
        'mark': lambda: (peer.entry(0, 0, 1, mark=0xFF), peer.announce(0, 0)),
        'lane': lambda: (peer.entry(0, 0, 1, lane=3), peer.announce(0, 0)),
        'length': lambda: (peer.entry(0, 0, 0xFFFFFFFF), peer.announce(0, 0)),
        'one byte over the span': lambda: (peer.entry(0, 0, size * span + 1), peer.announce(0, 0)),
        'over the end': lambda: (peer.entry(0, count - 1, size + 1, count), peer.announce(0, count - 1)),
        'chain to elsewhere': lambda: (peer.entry(0, 0, 2 * size, 7), peer.announce(0, 0)),
        'chain in a circle': lambda: (peer.entry(0, 0, 2 * size, 0), peer.announce(0, 0)),
        'chain too long': lambda: (peer.entry(0, 0, 1, 1), peer.announce(0, 0)),
        'overlapping': overlapping,
        'fragments without end': fragments,
    }
    ways[how]()
    peer.ring()
    return peer.outcome()


def ended(peer):
    """The server has written a last frame, or hung up."""
    return bool(select.select([peer.socket], [], [], 0)[0])


def sequences(path):
    """Slots with sequences that are not the next: there is no message, so nothing happens until the peer goes."""
    peer = Peer(path).formed()
    for sequence in (0, 2, 2**63, 2**64 - 1):
        peer.entry(0, 0, 1)
        peer.sequence = 1
        peer.announce(0, 0, sequence)
        peer.ring()
    peer.sequence = 0
    peer.commit(event(b'"after"'))
    peer.ring()
    peer.until(lambda: peer.released() == 1)
    peer.socket.shutdown(socket.SHUT_WR)
    return peer.outcome()


# Releases --------------------------------------------------------------------------------------------------------------------------


def spoil_release(path, how):
    peer = Peer(path).formed()
    peer.commit(request(b'"x"'), lane=REQUESTS)
    peer.ring()
    sequence, cell = peer.reply()
    ways = {
        'never sent': lambda: peer.give_back(sequence + 5, cell),
        'sequence 0': lambda: peer.give_back(0, cell),
        'other cell': lambda: peer.give_back(sequence, cell + 1),
        'wild cell': lambda: peer.give_back(sequence, 0xFFFFFFFF),
        'outcome 0': lambda: peer.give_back(sequence, cell, 0),
        'outcome 15': lambda: peer.give_back(sequence, cell, 15),
        'twice': lambda: (peer.give_back(sequence, cell), peer.give_back(sequence, cell)),
        'nacked, then done': lambda: (peer.give_back(sequence, cell, 3), peer.give_back(sequence, cell, 1)),
    }
    ways[how]()
    peer.ring()
    return peer.outcome()


# Bytes rewritten while they are decoded ---------------------------------------------------------------------------------------------


def rewrite(path, fmt, milliseconds):
    """Requests whose payload is rewritten without end while the server copies and decodes it. Says how many were answered or refused."""
    peer = Peer(path).formed()
    group = len(peer.theirs.geometry) - 1
    payloads = {
        1: [b'{"a":[' + b'1,' * 2000 + b'1],"b":"' + b'x' * 8000 + b'"}', b'[[[[' * 3000, b'"\\u' * 4000],
        2: [b'\x91' * 6000 + b'\xc0', b'\xdd\x7f\xff\xff\xff' * 2000, b'\xa5hello' * 1500, b'\xdf\xff\xff\xff\xff' * 2000],
        3: [b'\xc3\xa9' * 6000, b'\xf0\x9f\x90\x8e' * 3000, b'\xff' * 12000, b'a' * 12000],
    }[fmt]
    length = max(map(len, payloads))
    payloads = [p.ljust(length, b' ') for p in payloads]
    going = True

    def scribble():
        at = peer.place(group, 0) + len(request(b''))
        turn = 0
        while going:
            turn += 1
            payload = payloads[turn % len(payloads)]
            for _ in range(4):
                peer.target[at : at + length] = payload

    thread = threading.Thread(target=scribble)
    thread.start()
    answered = 0
    refused = []
    end = time.monotonic() + milliseconds / 1000
    while time.monotonic() < end:
        number = peer.sequence + 1
        peer.commit(request(payloads[0], fmt, number=number), group, 0, REQUESTS)
        peer.ring()
        # A refused request is released too: its reply, or the end, is what tells.
        peer.until(lambda: ended(peer) or (peer.replied(number) and peer.released() == number))
        if ended(peer):
            refused.append(peer.outcome())
            peer.socket.close()
            fresh = Peer(path).formed()
            for name, value in vars(fresh).items():
                setattr(peer, name, value)
            peer.own_records = None
        else:
            answered += 1
            # Replies are given back, so that the server's side does not fill up.
            peer.give_back(*peer.reply(number))
            peer.ring()
    going = False
    thread.join()
    peer.socket.shutdown(socket.SHUT_WR)
    peer.outcome()
    return {'answered': answered, 'refused': len(refused), 'codes': sorted({str(r['code']) for r in refused}), 'ended': True}


# Doorbells --------------------------------------------------------------------------------------------------------------------------


def ring_without_end(path, milliseconds, children):
    """Processes that write into the server's doorbell as fast as a pipe takes it."""
    peer = Peer(path).formed()
    os.set_blocking(peer.bell, True)
    pids = []
    for _ in range(children):
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            rings = b'!' * 65536
            while True:
                os.write(peer.bell, rings)
        pids.append(pid)
    print('{"ringing":true}', flush=True)
    time.sleep(milliseconds / 1000)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    peer.socket.shutdown(socket.SHUT_WR)
    return peer.outcome()


def deaf(path, count):
    """Sleeps for ever, with a doorbell that is full and, as far as this side can say so, blocks whoever writes."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b'!' * 4096)
    except BlockingIOError:
        pass
    peer = Peer(path).formed(bell=writing)
    os.set_blocking(writing, True)
    for number in range(count):
        struct.pack_into('<Q', peer.release, 0, (number + 1) << 32)
        peer.commit(request(b'"x"', number=number + 1), partition=number, lane=REQUESTS)
        peer.ring()
        peer.reply(number + 1)
    peer.socket.shutdown(socket.SHUT_WR)
    return peer.outcome()


# Memory, users, kills ----------------------------------------------------------------------------------------------------------------


def hoard(path, count):
    """`count` connections that form segments; says how many were let."""
    held, codes = [], set()
    for _ in range(count):
        peer = Peer(path)
        peer.greet()
        peer.form()
        received = peer.next_frame()
        if received and received[0] == DESCRIPTORS:
            held.append(peer)
        else:
            length = struct.unpack_from('<H', received[1])[0]
            codes.add(received[1][2 : 2 + length].decode())
    return {'formed': len(held), 'codes': sorted(codes), 'ended': True}


def half_open(path, count):
    """Opens `count` connections that say nothing; holds those that the server lets it hold until the test closes stdin."""
    held = []
    for _ in range(count):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(path)  # waits while the backlog is full
        held.append(s)
    print(json.dumps({'open': len(held)}), flush=True)
    sys.stdin.read()
    return {'ended': True}


def drip(path, milliseconds):
    """One byte of a greeting every so often."""
    peer = Peer(path)
    greeting = hello()
    sent = 0
    while sent < len(greeting) - 1 and not ended(peer):
        peer.send(greeting[sent : sent + 1])
        sent += 1
        time.sleep(milliseconds / 1000)
    return {**peer.outcome(), 'sent': sent}


def as_user(path, uid):
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    try:
        peer = Peer(path)
    except PermissionError:
        return {'ended': True, 'code': 'EACCES', 'text': 'connect'}
    peer.send(hello())
    return peer.outcome()


def die(path, count):
    """`count` processes, each killed with -9 at another point of its life as a client."""
    for number in range(count):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            peer = Peer(path)
            if number % 5 > 0:
                peer.greet()
            if number % 5 > 1:
                peer.form()
            if number % 5 > 2:
                peer.obtain()
                peer.commit(event(b'"%d"' % number), partition=0)
                peer.commit(request(b'"%d"' % number), partition=1, lane=REQUESTS)
            if number % 5 > 3:
                peer.ring()
                peer.reply()
            os.write(writing, b'x')
            time.sleep(PATIENCE)
            os._exit(0)
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return {'ended': True, 'killed': count}


ACTS = {
    act.__name__: act
    for act in (spoil_forming, descriptors, unasked_descriptors, truncate, spoil_message, sequences, spoil_release, rewrite)
    + (ring_without_end, deaf, hoard, half_open, drip, as_user, die)
}

if __name__ == '__main__':
    print(json.dumps(ACTS[sys.argv[2]](sys.argv[1], *json.loads(sys.argv[3] if len(sys.argv) > 3 else '[]'))), flush=True)

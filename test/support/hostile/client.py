"""A client that breaks the protocol as the test says.

  python3 client.py SOCKET ACT [JSON arguments]

Ends when the server has ended the connection (or after PATIENCE), and prints one line of JSON: {"ended", "code", "text", ...}.
"""

import fcntl
import os
import resource
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

from protocol import *


class Client(Peer):
    def __init__(self, path):
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        control.connect(path)
        super().__init__(control)

    def greet(self, geometry=MINE):
        self.mine = Layout(geometry)
        self.send(hello(geometry=geometry))
        body = self.expect(WELCOME)
        self.theirs = Layout(read_geometry(body, after_texts(body, 2 + 4 + 8 + 8, 2)))

    def form(self, target=None, release=None, bell=None, **changes):
        given = self.allocate(target, release, bell)
        self.send(frame(REGISTER, self.describe(**changes), 3), given)
        self.send(frame(OBTAIN, b''))

    def obtain(self):
        self.expect(DESCRIPTORS)
        self.adopt()

    def formed(self, geometry=MINE, **changes):
        self.greet(geometry)
        self.form(**changes)
        self.obtain()
        return self


# Regions and bells -----------------------------------------------------------------------------------------------------------------


def spoil_forming(path, how):
    peer = Client(path)
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


def unheard_bell(path):
    """A doorbell that has no reader yet: once it has, the peer could fill it and make whoever rings it wait for ever."""
    peer = Client(path)
    peer.greet()
    with tempfile.TemporaryDirectory() as folder:  # of a pipe without a name another open file can be had at any time
        os.mkfifo(folder + '/bell')
        reading = os.open(folder + '/bell', os.O_RDONLY | os.O_NONBLOCK)
        writing = os.open(folder + '/bell', os.O_WRONLY)
        os.close(reading)
        peer.form(bell=writing)
    return peer.outcome()


def notices(path, milliseconds):
    """Control frames without end."""
    peer = Client(path).formed()
    many = frame(NOTICE, struct.pack('<I', 0)) * 1000
    end = time.monotonic() + milliseconds / 1000
    while time.monotonic() < end:
        peer.send(many)
    peer.socket.shutdown(socket.SHUT_WR)
    return peer.outcome()


def descriptors(path, count):
    """A register frame that brings `count` descriptors where three are due."""
    peer = Client(path)
    peer.greet()
    given = [region(PAGE) for _ in range(count)]
    peer.send(frame(REGISTER, peer.describe(), 3), given)
    peer.send(frame(OBTAIN, b''))
    return peer.outcome()


def unasked_descriptors(path, count):
    """Descriptors with a frame that has none, again and again."""
    peer = Client(path)
    for _ in range(count):
        peer.send(hello()[:1], [region(PAGE)])
    return peer.outcome()


def truncate(path):
    """The size of a region is sealed on both sides: nobody takes pages away under a reader."""
    peer = Client(path).formed()
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
    peer = Client(path).formed()
    groups = peer.theirs.geometry
    size, count, span = groups[0]

    def overlapping():
        for _ in range(count + 1):
            peer.entry(0, 0, 1, lane=REQUESTS)
            peer.announce(0, 0)

    def fragments():
        size, count, span = groups[-1]
        for i in range(4000):
            peer.until(lambda: peer.sequence - peer.released() < count or peer.ended())
            if peer.ended():
                return
            peer.entry(len(groups) - 1, i % count, size, mark=FIRST | FRAGMENT)
            peer.announce(len(groups) - 1, i % count)
            peer.ring()

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


def sequences(path):
    """Slots with sequences that are not the next: there is no message, so nothing happens until the peer goes."""
    peer = Client(path).formed()
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
    peer = Client(path).formed()
    peer.commit(request(b'"x"'), lane=REQUESTS)
    peer.ring()
    sequence, cell = peer.arrival()
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
    peer = Client(path).formed()
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
        at = peer.theirs.place(group, 0) + len(request(b''))
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
        peer.until(lambda: peer.ended() or (peer.arrived(number) and peer.released() == number))
        if peer.ended():
            refused.append(peer.outcome())
            peer.socket.close()
            fresh = Client(path).formed()
            for name, value in vars(fresh).items():
                setattr(peer, name, value)
            peer.own_records = None
        else:
            answered += 1
            # Replies are given back, so that the server's side does not fill up.
            peer.give_back(*peer.arrival(number))
            peer.ring()
    going = False
    thread.join()
    peer.socket.shutdown(socket.SHUT_WR)
    peer.outcome()
    return {'answered': answered, 'refused': len(refused), 'codes': sorted({str(r['code']) for r in refused}), 'ended': True}


# Doorbells --------------------------------------------------------------------------------------------------------------------------


def ring_without_end(path, milliseconds, children):
    """Processes that write into the server's doorbell as fast as a pipe takes it."""
    peer = Client(path).formed()
    os.set_blocking(peer.bell, True)
    pids = []
    for _ in range(children):
        pid = fork()
        if pid == 0:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            rings = b'!' * 65536
            while True:
                os.write(peer.bell, rings)
        pids.append(pid)
    say(ringing=True)
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
    peer = Client(path).formed(bell=writing)
    os.set_blocking(writing, True)
    for number in range(count):
        struct.pack_into('<Q', peer.release, 0, (number + 1) << 32)
        peer.commit(request(b'"x"', number=number + 1), partition=number, lane=REQUESTS)
        peer.ring()
        peer.arrival(number + 1)
    peer.socket.shutdown(socket.SHUT_WR)
    return peer.outcome()


# Memory, users, kills ----------------------------------------------------------------------------------------------------------------


def hoard(path, count, geometry=MINE):
    """`count` connections that form segments of that geometry; says how many were let."""
    held, codes = [], set()
    for _ in range(count):
        peer = Client(path)
        peer.greet([tuple(g) for g in geometry])
        peer.form()
        received = peer.next_frame()
        if received and received[0] == DESCRIPTORS:
            held.append(peer)
        else:
            length = struct.unpack_from('<H', received[1])[0]
            codes.add(received[1][2 : 2 + length].decode())
    return {'formed': len(held), 'codes': sorted(codes), 'ended': True}


def half_open(path, count):
    """Opens `count` connections that say nothing, and holds all of them until the test closes stdin."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, max(count + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    held = []
    for _ in range(count):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(path)  # waits while the backlog is full
        held.append(s)
    say(open=len(held))
    sys.stdin.read()
    return {'ended': True}


def greet_wrongly(path, milliseconds):
    """Connections that are refused for their greeting, as fast as they can be made; says how many."""
    end = time.monotonic() + milliseconds / 1000
    count = 0
    while time.monotonic() < end:
        peer = Client(path)
        peer.send(hello(magic=b'ANOTHER\n'))
        peer.outcome()
        peer.socket.close()
        count += 1
    return {'ended': True, 'count': count}


def drip(path, milliseconds):
    """One byte of a greeting every so often."""
    peer = Client(path)
    greeting = hello()
    sent = 0
    while sent < len(greeting) - 1 and not peer.ended():
        peer.send(greeting[sent : sent + 1])
        sent += 1
        time.sleep(milliseconds / 1000)
    return {**peer.outcome(), 'sent': sent}


def as_user(path, uid, gid=None):
    """As another user, and member of a group; greets a service that is not served here."""
    os.setgroups([])
    os.setgid(uid if gid is None else gid)
    os.setuid(uid)
    try:
        peer = Client(path)
    except PermissionError:
        return {'ended': True, 'code': 'EACCES', 'text': 'connect'}
    peer.send(hello(service=b'another'))
    return peer.outcome()


def die(path, count):
    """`count` processes, each killed with -9 at another point of its life as a client."""
    for number in range(count):
        reading, writing = os.pipe()
        pid = fork()
        if pid == 0:
            peer = Client(path)
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
                peer.arrival()
            os.write(writing, b'x')
            time.sleep(PATIENCE)
            os._exit(0)
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return {'ended': True, 'killed': count}


if __name__ == '__main__':
    acts = (spoil_forming, unheard_bell, notices, descriptors, unasked_descriptors, truncate, spoil_message, sequences, spoil_release, rewrite)
    acts += (ring_without_end, deaf, hoard, half_open, greet_wrongly, drip, as_user, die)
    run({act.__name__: act for act in acts})

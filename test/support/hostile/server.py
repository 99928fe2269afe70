"""A server that breaks the protocol as the test says, for clients that find its socket and mean well.

  python3 server.py SOCKET ACT [JSON arguments]

Plays one connection. Ends when the client has ended it (or after PATIENCE), removes its socket, and prints one line of JSON: {"ended", …}.
"""

import fcntl
import os
import socket
import struct
import time

from protocol import *

# Nothing waits for partitions here: a client would open a second connection for that.
ROOMY = [(64, 4096, 16), (4096, 64, 16)]
FULL = struct.pack('<I', 0xFFFFFFFF) * 3


class Server(Peer):
    """Listens as an instance would, and takes the first client that comes."""

    def __init__(self, path):
        self.path = path
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.settimeout(PATIENCE)
        listening.bind(path + '.tmp')
        os.chmod(path + '.tmp', 0o600)
        listening.listen(8)
        os.rename(path + '.tmp', path)
        control, _ = listening.accept()
        os.unlink(path)
        listening.close()
        super().__init__(control)

    def greeted(self, geometry=ROOMY):
        self.mine = Layout(geometry)
        body = self.expect(HELLO)
        at = after_texts(body, 8 + 6 + 4 + 8 + 8, 2)
        self.theirs = Layout(read_geometry(body, at))

    def welcome(self, version=1, geometry=None, identity=b'hostileinstance2', service=b'hostile', max_message=1 << 20):
        body = struct.pack('<HIQQ', version, 0, 99, max_message) + text(identity) + text(service)
        return frame(WELCOME, body + describe_geometry(self.mine.geometry if geometry is None else geometry))

    def form(self, target=None, release=None, bell=None, **changes):
        self.expect(REGISTER)
        self.expect(OBTAIN)
        self.adoptable = self.allocate(target, release, bell)
        self.send(frame(DESCRIPTORS, self.describe(**changes), 3), self.adoptable)

    def formed(self, geometry=ROOMY):
        self.greeted(geometry)
        self.send(self.welcome())
        self.form()
        self.adopt()
        return self

    def next_request(self):
        """(id, (sequence, cell)) of the client's next request; what comes before it is released."""
        while True:
            self.seen_messages = getattr(self, 'seen_messages', 0) + 1
            lane, message = self.message(self.seen_messages)
            if lane == REQUESTS:
                inline = message[2] & 16
                at = 8 + (struct.unpack_from('<I', message, 4)[0] if inline else 0)
                return struct.unpack_from('<I', message, at)[0], self.arrival(self.seen_messages)

    def finish(self):
        """Waits for the client to end it."""
        outcome = self.outcome()
        self.socket.close()
        return outcome


def spoil_welcome(path, how):
    server = Server(path)
    server.greeted()
    good = server.welcome()
    body = good[8:]
    ways = {
        'another magic': lambda: frame(HELLO, MAGIC + body),
        'HTTP': lambda: b'HTTP/1.1 400 Bad Request\r\n\r\n',
        'an old version': lambda: server.welcome(version=0),
        'a new version': lambda: server.welcome(version=900),
        'another service': lambda: server.welcome(service=b'other'),
        'control characters': lambda: server.welcome(identity=b'\x1b[2Jevil\n'),
        'an identity that is too long': lambda: server.welcome(identity=b'x' * 65),
        'a welcome cut short': lambda: frame(WELCOME, body[:20]),
        'a welcome that goes on': lambda: frame(WELCOME, body + b'more'),
        'an oversized frame': lambda: struct.pack('<IHH', 0xFFFFFFFF, WELCOME, 0) + body,
        'no segments': lambda: server.welcome(geometry=[]),
        'wild segments': lambda: server.welcome(geometry=[(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)]),
        'segments of no size': lambda: server.welcome(geometry=[(0, 0, 0)]),
        'too many segments': lambda: server.welcome(geometry=[(64 + i, 4, 2) for i in range(1000)]),
        'two welcomes': lambda: good + good,
        'descriptors before any were asked for': lambda: good + frame(DESCRIPTORS, FULL, 3),
        'descriptors where none are due': lambda: frame(WELCOME, body, 2),
        "a client's frame": lambda: good + frame(OBTAIN, b''),
        'a refusal of no known code': lambda: frame(REFUSE, text(b'RSM_\x1b[31m') + text(b'red\x1b[31m\nforged line')),
        'nothing, and hangs up': lambda: b'',
        'half a welcome, and hangs up': lambda: good[: len(good) // 2],
    }
    server.send(ways[how]())
    if how.endswith('hangs up'):
        server.socket.shutdown(socket.SHUT_WR)
    return server.finish()


def drip(path, milliseconds):
    """One byte of a welcome every so often."""
    server = Server(path)
    server.greeted()
    welcome = server.welcome()
    sent = 0
    while sent < len(welcome) - 1 and not server.ended():
        server.send(welcome[sent : sent + 1])
        sent += 1
        time.sleep(milliseconds / 1000)
    return {**server.finish(), 'sent': sent}


def spoil_forming(path, how):
    server = Server(path)
    server.greeted()
    server.send(server.welcome())
    mine, theirs = server.mine.target_size, server.theirs.release_size
    ways = {
        'unsealed target': lambda: server.form(target=region(mine, 0)),
        'unsealed release': lambda: server.form(release=region(theirs, 0)),
        'target that may shrink': lambda: server.form(target=region(mine, SEALS & ~fcntl.F_SEAL_SHRINK)),
        'target that cannot be written': lambda: server.form(target=region(mine, SEALS | fcntl.F_SEAL_WRITE)),
        'target that is a pipe': lambda: server.form(target=os.pipe()[0]),
        'target too small': lambda: server.form(target=region(mine - PAGE)),
        'release too small': lambda: server.form(release=region(PAGE)),
        'empty target': lambda: server.form(target=region(0)),
        'release size not agreed': lambda: server.form(release_size=theirs + PAGE),
        'target beyond maxMemory': lambda: server.form(target_size=1 << 60),
        'segment beyond its region': lambda: server.form(offset=mine - PAGE),
        'segment over the ring': lambda: server.form(offset=0),
        'directory that wraps around': lambda: server.form(directory=2**64 - 16),
        'more partitions than announced': lambda: server.form(partitions=1 << 20, length=64 << 20),
        'segment in another region': lambda: server.form(region=1),
        'bell that is a socket': lambda: server.form(bell=socket.socketpair()[0].detach()),
        'no descriptors': lambda: (server.allocate(), server.send(frame(DESCRIPTORS, server.describe(), 3))),
        'no answer, and hangs up': lambda: server.socket.shutdown(socket.SHUT_RDWR),
    }
    ways[how]()
    return server.finish()


def truncate(path):
    """The client's regions, and those passed to it, cannot be truncated once they are mapped."""
    server = Server(path).formed()
    failures = 0
    for fd in (server.own_target, server.own_release, server.target_fd):
        try:
            os.ftruncate(fd, 0)
        except PermissionError:
            failures += 1
    server.socket.shutdown(socket.SHUT_WR)
    return {**server.finish(), 'failures': failures}


def spoil_release(path, how):
    """Takes what the client sent and releases it wrongly. Nothing of it was handled."""
    server = Server(path).formed()
    sequence, cell = server.arrival(1)
    ways = {
        'never sent': lambda: server.give_back(sequence + 100_000, cell),
        'sequence 0': lambda: server.give_back(0, cell),
        'other cell': lambda: server.give_back(sequence, cell + 1),
        'wild cell': lambda: server.give_back(sequence, 0xFFFFFFFF),
        'outcome 0': lambda: server.give_back(sequence, cell, 0),
        'outcome 15': lambda: server.give_back(sequence, cell, 15),
        'returned twice': lambda: (server.give_back(sequence, cell, 4), server.give_back(sequence, cell, 4)),
        'returned, then done': lambda: (server.give_back(sequence, cell, 4), server.give_back(sequence, cell, 1)),
    }
    ways[how]()
    server.ring()
    return server.finish()


def never_release(path, milliseconds):
    """Takes all that comes, says wild things of what has begun, releases nothing, and goes after a while."""
    server = Server(path).formed()
    server.arrival(1)
    partitions = sum(count for _, count, _ in server.mine.geometry)
    for cell in range(partitions):
        server.start(cell, (0, 2**64 - 1, 2**63, cell + 10_000)[cell % 4])
    struct.pack_into('<Q', server.release, 0, 2**64 - 1)  # sleeps, in a generation and with an expectation of its own
    time.sleep(milliseconds / 1000)
    server.socket.shutdown(socket.SHUT_WR)
    return server.finish()


def spoil_message(path, how):
    """Messages of the server, which are replies where they are anything."""
    server = Server(path).formed()
    size, count, span = server.theirs.geometry[0]
    ways = {
        'group': lambda: server.announce(9, 0),
        'largest group': lambda: server.announce(0xFFFFFFFF, 0xFFFFFFFF),
        'partition': lambda: server.announce(0, count),
        'no entry': lambda: server.announce(0, 3),
        'mark': lambda: (server.entry(0, 0, 1, mark=0xFF), server.announce(0, 0)),
        'lane': lambda: (server.entry(0, 0, 1, lane=3), server.announce(0, 0)),
        'length': lambda: (server.entry(0, 0, 0xFFFFFFFF), server.announce(0, 0)),
        'one byte over the span': lambda: (server.entry(0, 0, size * span + 1), server.announce(0, 0)),
        'over the end': lambda: (server.entry(0, count - 1, size + 1, count), server.announce(0, count - 1)),
        'chain to elsewhere': lambda: (server.entry(0, 0, 2 * size, 7), server.announce(0, 0)),
        'chain in a circle': lambda: (server.entry(0, 0, 2 * size, 0), server.announce(0, 0)),
        'chain too long': lambda: (server.entry(0, 0, 1, 1), server.announce(0, 0)),
        'an event': lambda: server.commit(event(b'1'), lane=EVENTS),
        'a request': lambda: server.commit(request(b'1'), lane=REQUESTS),
        'a request among the replies': lambda: server.commit(request(b'1'), lane=IMMEDIATE),
        'a route': lambda: server.commit(struct.pack('<BBBBI', 4, 0, 0, 0, 1) + b'echo', lane=IMMEDIATE),
        'random bytes': lambda: server.commit(b'\xa5' * 64, lane=IMMEDIATE),
        'seven bytes': lambda: server.commit(b'\x05' * 7, lane=IMMEDIATE),
        'unknown flags': lambda: server.commit(reply(1, b'1', flags=0x80), lane=IMMEDIATE),
    }
    ways[how]()
    server.ring()
    return server.finish()


def spoil_reply(path, how):
    """An answer to a request of the client, by its id."""
    server = Server(path).formed()
    number, _ = server.next_request()
    ways = {
        'JSON that is none': lambda: reply(number, b'{"a":'),
        'an unknown format': lambda: reply(number, b'1', fmt=15),
        'MessagePack that is none': lambda: reply(number, b'\xc1', fmt=2),
        'a list of four thousand million': lambda: reply(number, b'\xdd\xff\xff\xff\xff', fmt=2),
        'a record definition': lambda: reply(number, bytes([0xD4, 0x72, 0x40, 0x91, 0xA1, 0x61, 0x01]), fmt=2),
        'attachments beyond the end': lambda: reply(number, FULL, fmt=5),
        'a payload where none is due': lambda: reply(number, b'1', fmt=0),
        'an attachment that leads to a prototype': lambda: reply(number, attachment(b'[{},[["__proto__","polluted"]]]'), fmt=5),
    }
    server.commit(ways[how](), lane=IMMEDIATE)
    server.ring()
    return server.finish()


def attachment(json_text):
    return struct.pack('<I', len(json_text)) + json_text + struct.pack('<BI', 14, 1) + b'x'


def answer(path, payload):
    """One reply by the rules with that JSON text, twenty to requests that were never made, and one more to the same request. Then it goes."""
    server = Server(path).formed()
    number, taken = server.next_request()
    if payload == 'deep':
        payload = '[' * 20_000 + ']' * 20_000
    group = len(server.theirs.geometry) - 1
    for i in range(20):
        server.commit(reply(0xFFFFFFFF - i, b'"nobody asked"'), partition=i, lane=IMMEDIATE)
    server.commit(reply(number, payload.encode()), group, 0, lane=IMMEDIATE)
    server.commit(reply(number, b'"once more"'), partition=20, lane=IMMEDIATE)
    server.ring()
    server.until(lambda: server.released() == 22)
    server.give_back(*taken)
    server.ring()
    server.socket.shutdown(socket.SHUT_WR)
    return server.finish()


def rewrite(path, milliseconds):
    """Replies whose payload is rewritten without end while the client copies and decodes it."""
    server = Server(path).formed()
    group = len(server.theirs.geometry) - 1
    payloads = [b'{"a":[' + b'1,' * 2000 + b'1],"b":"' + b'x' * 8000 + b'"}', b'[[[[' * 3000, b'"\\u' * 4000]
    payloads = [p.ljust(13_000, b' ') for p in payloads]
    end = time.monotonic() + milliseconds / 1000
    turn = 0
    number, _ = server.next_request()
    server.commit(reply(number, payloads[0], flags=4), group, 0, lane=IMMEDIATE)
    server.ring()
    at = server.theirs.place(group, 0) + 8
    while time.monotonic() < end and not server.ended():
        turn += 1
        server.target[at : at + 13_000] = payloads[turn % 3]
        if server.released() == server.sequence:
            server.commit(reply(number, payloads[0], flags=4), group, 0, lane=IMMEDIATE)
            server.ring()
    server.socket.shutdown(socket.SHUT_WR)
    return {**server.finish(), 'replies': server.sequence}


def ring_without_end(path, milliseconds):
    """Writes into the client's doorbell as fast as it takes it."""
    server = Server(path).formed()
    os.set_blocking(server.bell, False)
    say(ringing=True)
    end = time.monotonic() + milliseconds / 1000
    while time.monotonic() < end:
        try:
            os.write(server.bell, b'!' * 65536)
        except BlockingIOError:
            pass
    server.socket.shutdown(socket.SHUT_WR)
    return server.finish()


if __name__ == '__main__':
    acts = (spoil_welcome, drip, spoil_forming, truncate, spoil_release, never_release, spoil_message, spoil_reply, answer, rewrite)
    acts += (ring_without_end,)
    run({act.__name__: act for act in acts})

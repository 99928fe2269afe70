/** Bytes of messages in flight at most, so that large payloads do not measure the garbage collector or a transport's limits. */
const MAX_IN_FLIGHT_BYTES = 4 * 1024 * 1024;
/** The number of a workload's first message; JSON writes six digits from here on. */
export const FIRST_NUMBER = 100_000;

/** What one message carries. Every message has a number, so that a lost, doubled, torn or wrong one is noticed. */
export interface Payload<T = any> {
  readonly name: string;
  /** Bytes as JSON (objects), or of the Buffer. */
  readonly bytes: number;
  /** The memory of one message in flight; it is used again for later ones. */
  create(): T;
  /** Message `number`, written into what create() made where possible. */
  write(memory: T, number: number): T;
  /** What a receiver was given, as what was sent: JSON knows no Buffer. */
  read(received: unknown): T;
  /** The number of a message; NaN where any byte of it is not what was sent. */
  numberOf(value: T): number;
}

/** How many messages of this payload go at once where `wanted` would be usual. */
export function inFlight(payload: Payload, wanted: number): number {
  return Math.max(1, Math.min(wanted, Math.floor(MAX_IN_FLIGHT_BYTES / payload.bytes)));
}

interface NumberedText {
  readonly n: number;
  readonly s: string;
}

function textObject(name: string, bytes: number): Payload<NumberedText> {
  const text = sentence(bytes - JSON.stringify({ n: FIRST_NUMBER, s: '' }).length);
  return {
    name,
    bytes,
    create: () => ({ n: 0, s: text }),
    write: (_memory, n) => ({ n, s: text }),
    read: (received) => received as NumberedText,
    numberOf: (value) => (value?.s === text ? value.n : NaN),
  };
}

function sentence(length: number): string {
  return 'All memory is equal, but some partitions are nearer than others. '.repeat(Math.ceil(length / 60)).slice(0, length);
}

/** Where a message of bytes says what it is; free for its user. */
export const TAG_OFFSET = 4;

export interface BytesPayload extends Payload<Buffer> {
  /** As numberOf, of a message that lies in a larger Buffer. */
  numberAt(buffer: Buffer, offset: number, length: number): number;
  /** The same, with only its ends looked at. */
  numberAtAGlance(buffer: Buffer, offset: number, length: number): number;
}

/** Bytes: the number (4), a tag (1, 0 where unused), and then what looks like noise. */
export function bytesPayload(name: string, bytes: number): BytesPayload {
  const noise = Buffer.alloc(bytes);
  for (let i = TAG_OFFSET + 1, seed = 1; i < bytes; i++) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    noise[i] = seed >>> 16;
  }
  const numberAt = (buffer: Buffer, offset: number, length: number): number =>
    length === bytes && sameFrom(TAG_OFFSET + 1, noise, buffer, offset) ? buffer.readUInt32LE(offset) : NaN;
  return {
    name,
    bytes,
    create: () => Buffer.from(noise),
    write: (memory, number) => {
      memory.writeUInt32LE(number, 0);
      return memory;
    },
    read: (received) => (Buffer.isBuffer(received) ? received : Buffer.from((received as { data: number[] }).data)),
    numberOf: (value) => numberAt(value, 0, value.length),
    numberAt,
    numberAtAGlance: (buffer, offset, length) =>
      length === bytes && buffer[offset + length - 1] === noise[bytes - 1] ? buffer.readUInt32LE(offset) : NaN,
  };
}

function sameFrom(start: number, expected: Buffer, buffer: Buffer, offset: number): boolean {
  const { length } = expected;
  // The call into native code costs more than a short loop.
  if (length > 256) return expected.compare(buffer, offset + start, offset + length, start, length) === 0;
  let difference = 0;
  for (let i = start; i < length; i++) difference |= expected[i]! ^ buffer[offset + i]!;
  return difference === 0;
}

const nestPayloads: Payload[] = [
  textObject('64B', 64),
  textObject('256B', 256),
  textObject('1kB', 1_024),
  textObject('4kB', 4_096),
  textObject('16kB', 16_384),
  textObject('64kB', 65_536),
  textObject('256kB', 262_144),
  bytesPayload('1MiB', 1_048_576),
];
const rawPayloads: BytesPayload[] = [
  bytesPayload('64B', 64),
  bytesPayload('1kB', 1_024),
  bytesPayload('64kB', 65_536),
  bytesPayload('1MiB', 1_048_576),
];

export const payloadNames = { nest: nestPayloads.map(({ name }) => name), raw: rawPayloads.map(({ name }) => name) };

export function nestPayload(name: string): Payload {
  return named(nestPayloads, name);
}

export function rawPayload(name: string): BytesPayload {
  return named(rawPayloads, name);
}

function named<T extends Payload>(payloads: T[], name: string): T {
  const payload = payloads.find((one) => one.name === name);
  if (!payload) throw new Error(`There is no payload "${name}"; there are ${payloads.map((one) => one.name).join(', ')}.`);
  return payload;
}

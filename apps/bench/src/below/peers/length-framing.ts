import type { Duplex } from 'node:stream';
import type { RawConnection, RawReceiver } from './peer.js';

/** Bytes of the length in front of each message. */
const HEAD = 4;

/** Messages over a stream of bytes, each behind its length: what everybody writes who needs messages over a socket. */
export class FramedStream implements RawConnection {
  private readonly chunks: Buffer[] = [];
  private buffered = 0;
  private room: Promise<void> | undefined;
  private corked = false;

  constructor(
    private readonly stream: Duplex,
    private readonly receive: RawReceiver,
  ) {
    stream.on('data', (chunk: Buffer) => this.take(chunk));
  }

  send(bytes: Uint8Array): Promise<void> | undefined {
    const frame = Buffer.allocUnsafe(HEAD + bytes.length);
    frame.writeUInt32LE(bytes.length, 0);
    frame.set(bytes, HEAD);
    // Everything of one turn leaves in one system call.
    if (!this.corked) {
      this.corked = true;
      this.stream.cork();
      process.nextTick(() => {
        this.corked = false;
        this.stream.uncork();
      });
    }
    if (this.stream.write(frame)) return undefined;
    this.room ??= new Promise((resolve) => {
      this.stream.once('drain', () => {
        this.room = undefined;
        resolve();
      });
    });
    return this.room;
  }

  private take(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    if (this.chunks.length > 1) {
      const first = this.chunks[0]!;
      const wanted = first.length < HEAD ? HEAD : HEAD + first.readUInt32LE(0);
      if (this.buffered < wanted) return;
    }
    const bytes = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks);
    this.chunks.length = 0;
    let offset = 0;
    while (bytes.length - offset >= HEAD) {
      const length = bytes.readUInt32LE(offset);
      if (bytes.length - offset - HEAD < length) break;
      this.receive(this, bytes, offset + HEAD, length);
      offset += HEAD + length;
    }
    this.buffered = bytes.length - offset;
    if (this.buffered > 0) this.chunks.push(bytes.subarray(offset));
  }
}

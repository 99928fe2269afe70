import type { ClientSession } from '../client-session.js';
import { rawPayload, TAG_OFFSET } from '../payloads.js';
import type { Address, RawPeer } from './peers/index.js';
import { checkTally, type TallyResult } from '../tally.js';
import { workloadNamed } from '../workload.js';
import { Tag } from './tags.js';
import { rawWorkloads } from './workloads/index.js';

export async function connectRaw(peer: RawPeer, address: Address): Promise<ClientSession> {
  /** Takes the next message; there is never more than one expected. */
  let take: ((buffer: Buffer, offset: number, length: number) => void) | undefined;
  const { connection, close } = await peer.connect(address, (_connection, buffer, offset, length) => take!(buffer, offset, length));

  /** Sends a message for the server itself and resolves with its answer. */
  const ask = (tag: number, number: number, text = ''): Promise<string> =>
    new Promise((resolve, reject) => {
      take = (buffer, offset, length) => resolve(buffer.toString('utf8', offset, offset + length));
      const head = Buffer.alloc(TAG_OFFSET + 1);
      head.writeUInt32LE(number, 0);
      head[TAG_OFFSET] = tag;
      connection.send(Buffer.concat([head, Buffer.from(text)]), 'answered')?.catch(reject);
    });

  return {
    async run(workload, payloadName, { warmUp, time }) {
      const payload = rawPayload(payloadName);
      const onEcho = (echo: (number: number) => void): void => {
        take = (buffer, offset, length) => echo(payload.numberAt(buffer, offset, length));
      };
      const reached = async (sent: number): Promise<void> => checkTally(JSON.parse(await ask(Tag.reach, sent)) as TallyResult, sent);
      const measure = async (milliseconds: number) => {
        await ask(Tag.prepare, 0, payloadName);
        return workloadNamed(rawWorkloads, workload).run({ connection, payload, time: milliseconds, onEcho, reached });
      };
      await measure(warmUp);
      return measure(time);
    },
    async open(): Promise<void> {
      throw new Error(`The peer ${peer.name} has one connection for each process.`);
    },
    close,
  };
}

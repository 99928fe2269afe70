import { FIRST_NUMBER, payloadNames, rawPayload, TAG_OFFSET } from '../payloads.js';
import type { RawConnection, RawPeer } from './peers/index.js';
import type { ServerSession } from '../server-session.js';
import type { Place } from '../suite.js';
import { Tally, type TallyResult } from '../tally.js';
import { Tag } from './tags.js';
import { filledNumberAt } from './workloads/one-way.js';

const NOTHING = Buffer.alloc(0);

/** Echoes and counts for every raw peer. */
export async function serveRaw(peer: RawPeer, place: Place): Promise<ServerSession> {
  const tally = new Tally();
  let payload = rawPayload(payloadNames.raw[0]!);
  return peer.serve(place, (connection, buffer, offset, length) => {
    switch (buffer[offset + TAG_OFFSET]) {
      case Tag.oneWay:
        return tally.add(payload.numberAt(buffer, offset, length));
      case Tag.glance:
        return tally.add(payload.numberAtAGlance(buffer, offset, length));
      case Tag.fresh: {
        const copy = Buffer.from(buffer.subarray(offset, offset + length));
        return tally.add(payload.numberAtAGlance(copy, 0, length));
      }
      case Tag.filled:
        return tally.add(filledNumberAt(buffer, offset, length));
      case Tag.echo: {
        const unchanged = !Number.isNaN(payload.numberAt(buffer, offset, length));
        return void connection.send(unchanged ? buffer.subarray(offset, offset + length) : NOTHING, 'answered');
      }
      case Tag.prepare:
        payload = rawPayload(buffer.toString('utf8', offset + TAG_OFFSET + 1, offset + length));
        tally.reset(FIRST_NUMBER);
        return void connection.send(NOTHING, 'answered');
      case Tag.reach:
        return void answerReach(connection, tally.reach(buffer.readUInt32LE(offset)));
    }
  });
}

async function answerReach(connection: RawConnection, result: Promise<TallyResult>): Promise<void> {
  await connection.send(Buffer.from(JSON.stringify(await result)), 'answered');
}

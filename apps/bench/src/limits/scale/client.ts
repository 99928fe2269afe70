/** The client of the scaling rows: as many connectors as the shape has connections, of which the first one is active. */
import { Connector, type Connection, Lane } from '@nestjs-rsm/segments';
import { serveClient } from '../../control.js';
import { LatencyRecorder } from '../../latency.js';
import { BURST, BURST_END, MESSAGE, service, type Shape, TO_BE_HELD } from './shape.js';

/** Connectors that connect at once: the server has a limit of handshakes. */
const TOGETHER = 16;

serveClient(async ({ folder, shape }: { folder: string; shape: Shape }) => {
  const connectors: Connector[] = [];
  let active: Connection | undefined;
  let answered: (() => void) | undefined;

  const openOne = async (): Promise<void> => {
    const connector = new Connector({
      service,
      directory: folder,
      segments: shape.segments,
      polling: shape.polling,
      connectTimeout: 60_000,
    });
    connectors.push(connector);
    connector.onMessages = () => answered?.();
    await connector.ready();
    const [connection] = connector.connections;
    active ??= connection!;
    // Segments are formed at the first message.
    await connection!.write(Buffer.alloc(MESSAGE));
    await connection!.flushed();
  };
  const open = async (count: number): Promise<void> => {
    await openOne();
    for (let left = count - 1; left > 0; left -= TOGETHER) {
      await Promise.all(Array.from({ length: Math.min(TOGETHER, left) }, openOne));
    }
  };
  await open(shape.connections);
  const held = Buffer.alloc(MESSAGE, TO_BE_HELD);
  for (let i = 0; i < shape.held; i++) await active!.write(held);

  const packed = Buffer.alloc(BURST * MESSAGE);
  packed[(BURST - 1) * MESSAGE] = BURST_END;
  const lengths = new Uint32Array(BURST).fill(MESSAGE);
  const burst = (): void => {
    if (active!.sendBatch(Lane.events, packed, lengths) !== BURST) throw new Error('A burst found no room.');
  };

  return {
    async run(_measurement, _parameter, { warmUp, time }) {
      const go = (milliseconds: number): Promise<LatencyRecorder> =>
        new Promise((resolve) => {
          const recorder = new LatencyRecorder(milliseconds);
          answered = () => {
            if (recorder.record()) burst();
            else resolve(recorder);
          };
          recorder.start();
          burst();
        });
      await go(warmUp);
      const { values, messages } = (await go(time)).measures();
      return { values: { cost: (values.p50! * 1_000) / BURST }, messages: messages * BURST };
    },
    open,
    async close() {
      await Promise.all(connectors.map((connector) => connector.close()));
    },
  };
});

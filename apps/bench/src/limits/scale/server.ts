/** The server of the scaling rows: `server.js`, started with its shape. Answers the last message of each burst. */
import { Lane, Listener, Outcome } from '@nestjs-rsm/segments';
import { serveServer } from '../../control.js';
import { BURST_END, service, type Shape, TO_BE_HELD } from './shape.js';

serveServer(async ({ folder, shape }: { folder: string; shape: Shape }) => {
  const listener = new Listener({ service, directory: folder, segments: shape.segments, polling: shape.polling, maxConnections: 1_024 });
  const answer = Buffer.alloc(1);
  let held = 0;
  listener.onMessages = (batch) => {
    for (let i = 0; i < batch.count; i++) {
      const buffer = batch.buffer(i);
      const offset = batch.offset(i);
      // What is held stays in its partition until the end.
      if (buffer[offset] === TO_BE_HELD && held < shape.held) {
        held++;
        continue;
      }
      listener.settle(batch.delivery(i), Outcome.done);
      if (buffer[offset] === BURST_END) batch.connection(i).send(Lane.immediate, 0, answer);
    }
  };
  await listener.listen();
  return { address: { folder, shape, pid: process.pid }, close: () => listener.close() };
});

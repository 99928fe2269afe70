/** A child or worker of a client, for peers that connect nothing else: `answer.js <peer>`. */
import { answeringEnd as worker } from './peers/message-port.js';
import { answeringEnd as pipeChild } from './peers/pipe.js';
import { answeringEnd as child } from './peers/process-send.js';
import { serveRaw } from './serve.js';

const peer = [worker, pipeChild, child].find(({ name }) => name === process.argv[2])!;
await serveRaw(peer, { folder: '' });

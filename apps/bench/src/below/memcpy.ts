import { rawPayload } from '../payloads.js';
import type { Subject } from '../suite.js';
import { buildLimits, limits } from './limits-addon.js';
import { filled, intoReused } from './workloads/one-way.js';

/** Bytes of the group that carries 64 kB and 1 MiB with the default segments. */
const FOOTPRINT = 4 * 1024 * 1024;

/** What memory alone does: one core copies into and out of as many bytes as such messages touch. */
export const memcpy: Subject = {
  name: 'memcpy',
  quick: true,
  unavailable: buildLimits,
  measures: ({ name }) => name === intoReused.name || name === filled.name,
  start: async () => ({
    async measure({ parameter }, { time }) {
      const { bytes } = rawPayload(parameter);
      const rate = limits().memcpyRate(bytes, FOOTPRINT, time);
      return { values: { throughput: rate / 1e9, rate: rate / bytes }, messages: 0 };
    },
    stop: async () => undefined,
  }),
};

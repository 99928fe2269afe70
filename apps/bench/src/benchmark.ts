import { idleMetric, measureIdle } from './idle.js';
import type { Settings } from './options.js';
import { Pair } from './pair.js';
import { payloadNames } from './payloads.js';
import { type Layer, layerOf, type PeerName } from './peers/index.js';
import { Results } from './results.js';
import { runRounds } from './rounds.js';
import { IDLE, metricsOf, workloadNames } from './workloads/index.js';

interface Cell {
  workload: string;
  payload: string;
}

/** What runs now and how much of it all is done. */
export type Progress = (text: string, done: number, total: number) => void;

/** Measures all that the settings ask for. Rejects where a message was lost, torn or answered wrongly. */
export class Benchmark {
  readonly results = new Results();
  private readonly total: number;
  private done = 0;

  /** `folder`: empty, for the servers' files. `cpuProfiles`: a folder for profiles. */
  constructor(
    private readonly settings: Settings,
    private readonly folder: string,
    private readonly progress: Progress,
    private readonly cpuProfiles?: string,
  ) {
    const measurements = this.layers.map((layer) => this.cells(layer).length * this.peers(layer).length * settings.rounds);
    this.total = measurements.reduce((sum, count) => sum + count, 0) + (this.hasIdle ? 1 : 0);
  }

  /** Nothing matches the settings. */
  get isEmpty(): boolean {
    return this.total === 0;
  }

  async run(): Promise<Results> {
    for (const layer of this.layers) await this.runLayer(layer);
    if (this.hasIdle) await this.runIdle();
    return this.results;
  }

  private async runLayer(layer: Layer): Promise<void> {
    await runRounds<PeerName, Cell, Pair>({
      rounds: this.settings.rounds,
      peers: this.peers(layer),
      cells: this.cells(layer),
      start: (peer) => Pair.start(peer, this.folder, this.cpuProfiles),
      measure: (pair, cell, peer) => this.measure(pair, cell, peer, layer),
      stop: (pair) => pair.stop(),
    });
  }

  private async measure(pair: Pair, { workload, payload }: Cell, peer: PeerName, layer: Layer): Promise<void> {
    this.progress(`${peer}, ${workload}, ${payload}`, this.done++, this.total);
    const { values, messages } = await pair.run({ workload, payload, timing: this.settings.timing });
    for (const metric of metricsOf(layer, workload)) {
      this.results.add({ layer, workload, payload, peer, metric }, values[metric.name]!, messages);
    }
  }

  private async runIdle(): Promise<void> {
    const peers = this.peers('nest');
    this.progress(`${peers.join(' and ')}, ${IDLE}`, this.done++, this.total);
    const usages = await measureIdle(peers, this.folder);
    peers.forEach((peer, i) => this.results.add({ layer: 'nest', workload: IDLE, peer, metric: idleMetric }, usages[i]!, 0));
  }

  private get layers(): Layer[] {
    return (['nest', 'raw'] as const).filter((layer) => this.peers(layer).length > 0 && this.cells(layer).length > 0);
  }

  private get hasIdle(): boolean {
    return this.settings.workloads.includes(IDLE) && this.peers('nest').length > 0;
  }

  private peers(layer: Layer): PeerName[] {
    return this.settings.peers.filter((peer) => layerOf(peer) === layer);
  }

  private cells(layer: Layer): Cell[] {
    const { workloads, payloads } = this.settings;
    return payloadNames[layer]
      .filter((payload) => payloads.includes(payload))
      .flatMap((payload) => workloadNames[layer].filter((name) => workloads.includes(name)).map((workload) => ({ workload, payload })));
  }
}

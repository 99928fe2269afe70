import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from './options.js';
import { Results } from './results.js';
import { runRounds } from './rounds.js';
import { type Choice, chooseFrom } from './selection.js';
import type { Measurement, RunningSubject, Subject, Suite } from './suite.js';

/** What runs now and how much of it all is done. */
export type Progress = (text: string, done: number, total: number) => void;

/** Measures all that the settings ask for. */
export class Benchmark {
  readonly results = new Results();
  private readonly choices: Choice[];
  private readonly total: number;
  private done = 0;

  /** `folder`: empty, for the subjects' files. `cpuProfiles`: a folder for profiles. */
  constructor(
    suites: readonly Suite[],
    private readonly settings: Settings,
    private readonly folder: string,
    private readonly progress: Progress,
    private readonly cpuProfiles?: string,
  ) {
    this.choices = suites.map((suite) => chooseFrom(suite, settings)).filter((choice) => choice !== undefined);
    this.total = this.choices.reduce((sum, choice) => sum + choice.pairs * this.roundsOf(choice), 0);
  }

  /** Nothing matches the settings. */
  get isEmpty(): boolean {
    return this.total === 0;
  }

  async run(): Promise<Results> {
    for (const choice of this.choices) await this.runSuite(choice);
    return this.results;
  }

  private async runSuite(choice: Choice): Promise<void> {
    const { suite, measurements } = choice;
    try {
      await runRounds<Subject, Measurement, RunningSubject>({
        rounds: this.roundsOf(choice),
        subjects: await this.available(choice),
        cells: measurements,
        start: (subject) => {
          this.progress(`${subject.name} starts`, this.done, this.total);
          return subject.start({ folder: mkdtempSync(join(this.folder, 's-')), cpuProfiles: this.cpuProfiles });
        },
        measure: (running, measurement, subject) => this.measure(suite, running, measurement, subject),
        stop: (running) => running.stop(),
        failed: (subject, error) => this.absent(suite, subject, error instanceof Error ? error.message : String(error), true),
      });
    } finally {
      for (const subject of choice.subjects) await subject.close?.();
    }
  }

  private async available({ suite, subjects }: Choice): Promise<Subject[]> {
    const available: Subject[] = [];
    for (const subject of subjects) {
      const reason = await subject.unavailable?.();
      if (reason === undefined) available.push(subject);
      else this.absent(suite, subject, reason, false);
    }
    return available;
  }

  private async measure(suite: Suite, running: RunningSubject, measurement: Measurement, subject: Subject): Promise<void> {
    if (subject.measures?.(measurement) === false) return;
    this.progress(`${subject.name}, ${measurement.name}, ${measurement.parameter}`, this.done++, this.total);
    const { values, messages } = await running.measure(measurement, this.settings.timing);
    const key = { suite: suite.name, measurement: measurement.name, parameter: measurement.parameter, subject: subject.name };
    for (const metric of measurement.metrics) {
      if (Object.hasOwn(values, metric.name)) this.results.add(key, metric, values[metric.name]!, messages);
    }
  }

  private roundsOf({ suite }: Choice): number {
    return Math.min(this.settings.rounds, suite.rounds ?? Infinity);
  }

  private absent(suite: Suite, subject: Subject, reason: string, failed: boolean): void {
    this.results.absences.push({ suite: suite.name, subject: subject.name, reason, failed });
  }
}

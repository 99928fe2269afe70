import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { bringTogether, type RunProcess } from '../soak/history.js';
import { judge } from '../soak/judge.js';
import { plan } from '../soak/plan.js';

/** Milliseconds after which a soak that does not end is ended: its own patience is shorter. */
const PATIENCE = 1_200_000;

/** A journal, one thing a line: `microseconds kind words`. */
function journal(text: string): RunProcess['lines'] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [at, kind, ...words] = line.trim().split(' ');
      return { at: Number(at), kind: kind!, words };
    });
}

function server(name: string, text: string, end: Partial<RunProcess> = {}): RunProcess {
  return { role: 'server', name, ended: 'closed', endsAt: 9_000, lines: journal(`1 P ${name} 4711${name}\n${text}`), ...end };
}

function client(text: string, end: Partial<RunProcess> = {}): RunProcess {
  return { role: 'client', name: 'c', ended: 'closed', endsAt: 8_000, lines: journal(`1 P - 1\n2 C s1 0\n2 C s2 0\n${text}`), ...end };
}

function rules(...processes: RunProcess[]): string[] {
  return judge(bringTogether(processes)).violations.map(({ rule }) => rule);
}

const killed = { ended: 'killed', endsAt: 500 } as const;

describe('the judge of the soak', () => {
  it('finds nothing where each event was handled once, in order', () => {
    const sent = client('10 > 1 plain t1.a - -\n11 = 1\n12 > 2 plain t1.b - -\n13 = 2');
    expect(rules(sent, server('s1', '20 B c 1 1 plain t1.a\n20 E c 1 1 done\n21 B c 2 1 plain t1.b\n22 E c 2 1 done'))).toEqual([]);
  });

  it('misses a committed event that nobody handled, and one whose handler never ended', () => {
    const sent = client('10 > 1 plain t1.a - -\n11 = 1');
    expect(rules(sent, server('s1', ''))).toEqual(['lost']);
    expect(rules(sent, server('s1', '20 B c 1 1 plain t1.a'))).toEqual(['lost']);
  });

  it('misses a committed event of a killed client, unless the server that had it was killed too', () => {
    const sent = client('10 > 1 plain t1.a - -\n11 = 1', killed);
    expect(rules(sent, server('s1', ''), server('s2', ''))).toEqual(['lost']);
    expect(rules(sent, server('s1', '', { ended: 'killed', endsAt: 600 }), server('s2', ''))).toEqual([]);
  });

  it('misses the end of an emit, but not of one whose client was killed', () => {
    expect(rules(client('10 > 1 plain t1.a - -'), server('s1', ''))).toEqual(['lost']);
    expect(rules(client('10 > 1 plain t1.a - -', killed), server('s1', ''))).toEqual([]);
  });

  it('allows a second delivery with an attempt more after a kill or a nack, and no other', () => {
    const sent = client('10 > 1 plain t1.a - -\n11 = 1\n510 D s1 1');
    const first = '20 B c 1 1 plain t1.a\n20 E c 1 1';
    const again = (attempt: number): RunProcess => server('s2', `600 B c 1 ${attempt} plain t1.a\n601 E c 1 ${attempt} done`);
    expect(rules(sent, server('s1', `${first} done`, killed), again(2))).toEqual([]);
    expect(judge(bringTogether([sent, server('s1', `${first} done`, killed), again(2)])).events.allowedDuplicates).toBe(1);
    expect(rules(sent, server('s1', `${first} nack`), again(2))).toEqual([]);
    expect(rules(sent, server('s1', `${first} done`), again(2))).toEqual(['duplicates']);
    expect(rules(sent, server('s1', `${first} done`, killed), again(1))).toEqual(['duplicates']);
    expect(rules(sent, server('s1', `${first} done`, { ...killed, endsAt: 700 }), again(2))).toEqual(['duplicates']);
  });

  it('sees an attempt that no kill explains', () => {
    const sent = client('10 > 1 plain t1.a - -\n11 = 1');
    expect(rules(sent, server('s1', '20 B c 1 2 plain t1.a\n20 E c 1 2 done'))).toEqual(['attempts']);
  });

  it('sees an event that came out of order, unless it came back from an instance that had gone', () => {
    const both = '20 B c 2 1 plain t1.b\n20 E c 2 1 done\n21 B c 1 1 plain t1.a\n22 E c 1 1 done';
    const sent = '10 > 1 plain t1.a - -\n11 = 1\n12 > 2 plain t1.b - -\n13 = 2';
    expect(rules(client(sent), server('s1', both))).toEqual(['order']);
    expect(rules(client(`${sent}\n15 D s2 2`), server('s1', both), server('s2', '', { ...killed, endsAt: 14 }))).toEqual([]);
    // It had heard of the end before it sent the second one.
    expect(rules(client(`${sent}\n15 D s2 1`), server('s1', both), server('s2', '', { ...killed, endsAt: 14 }))).toEqual(['order']);
  });

  it('sees events that came back from one instance in another order than they were sent in', () => {
    const sent = [1, 2, 3].map((n) => `1${n} > ${n} plain t1.${n} - -\n1${n} = ${n}`).join('\n');
    const begun = (...numbers: number[]): RunProcess =>
      server('s1', numbers.map((n, i) => `3${i} B c ${n} 1 plain t1.${n}\n3${i} E c ${n} 1 done`).join('\n'));
    const gone = server('s2', '', { ...killed, endsAt: 20 });
    expect(rules(client(`${sent}\n21 D s2 3`), begun(3, 1, 2), gone)).toEqual([]);
    expect(rules(client(`${sent}\n21 D s2 3`), begun(3, 2, 1), gone)).toEqual(['order']);
  });

  it('sees a key that leaves an instance that lives', () => {
    const sent = client('10 > 1 plain t1.a - red\n11 = 1\n12 > 2 plain t1.b - red\n13 = 2');
    const second = server('s2', '30 B c 2 1 plain t1.b\n30 E c 2 1 done');
    const first = '20 B c 1 1 plain t1.a\n20 E c 1 1 done';
    expect(rules(sent, server('s1', first), second)).toEqual(['keys']);
    expect(rules(sent, server('s1', first, { ...killed, endsAt: 25 }), second)).toEqual([]);
  });

  it('sees payloads and patterns that changed, and what nobody sent', () => {
    const sent = client('10 > 1 plain t1.a - -\n11 = 1');
    expect(rules(sent, server('s1', '20 B c 1 1 plain t1.f\n20 E c 1 1 done'))).toEqual(['torn']);
    expect(rules(sent, server('s1', '20 B c 1 1 raw t1.a\n20 E c 1 1 done'))).toEqual(['torn']);
    expect(rules(sent, server('s1', '20 B c 1 1 plain t1.a\n20 E c 1 1 done\n21 B c 2 1 plain t1.a'))).toEqual(['torn']);
  });

  it('sees emits that fail without reason, or fail and are handled all the same', () => {
    const failed = (code: string, connected: number): string => `10 > 1 plain t1.a - -\n900 ! 1 ${code} ${connected} why`;
    const options = { connectTimeout: 100 };
    expect(rules(client(failed('RSM_UNREACHABLE', 50), options), server('s1', ''))).toEqual([]);
    expect(rules(client(failed('RSM_UNREACHABLE', 150), options), server('s1', ''))).toEqual(['failures']);
    expect(rules(client(failed('RSM_CONNECTION_LOST', -1), options), server('s1', ''))).toEqual(['failures']);
    const handled = server('s1', '20 B c 1 1 plain t1.a\n20 E c 1 1 done');
    expect(rules(client(failed('RSM_UNREACHABLE', 50), options), handled)).toEqual(['failures']);
  });

  it('sees an emit that was confirmed before it was handled', () => {
    const handled = server('s1', '20 B c 1 1 plain t1.a\n20 E c 1 1 done');
    expect(rules(client('10 > 1 plain t1.a c -\n25 = 1'), handled)).toEqual([]);
    expect(rules(client('10 > 1 plain t1.a c -\n15 = 1'), handled)).toEqual(['confirm']);
  });

  it('misses a copy of a broadcast at an instance that lived, and sees one that came twice or to others', () => {
    const copy = '20 B c 1 1 plain t1.a\n20 E c 1 1 done';
    const sent = client('10 > 1 plain t1.a b - s1,s2\n11 = 1\n510 D s2 1');
    expect(rules(sent, server('s1', copy), server('s2', copy))).toEqual([]);
    expect(rules(sent, server('s1', copy), server('s2', ''))).toEqual(['lost']);
    expect(rules(sent, server('s1', `${copy}\n${copy}`), server('s2', copy))).toEqual(['duplicates']);
    expect(rules(sent, server('s1', copy), server('s2', copy), server('s3', copy))).toEqual(['broadcast']);
    // Of an instance that was killed: a dead letter, else it was lost.
    expect(rules(sent, server('s1', copy), server('s2', '', killed))).toEqual(['lost']);
    const told = client('10 > 1 plain t1.a b - s1,s2\n11 = 1\n510 D s2 1\n511 L 1 0 s2 gone');
    expect(rules(told, server('s1', copy), server('s2', '', killed))).toEqual([]);
  });

  it('sees wake-ups that were missed', () => {
    expect(rules(client('10 W 20 0\n20 W 40 0'), server('s1', '10 W 7 0'))).toEqual([]);
    expect(rules(client('10 W 20 0\n20 W 40 1'), server('s1', '10 W 7 0'))).toEqual(['wakes']);
  });

  it('sees requests that hang, are begun twice, get a wrong reply, or fail while their server lives', () => {
    const run = '20 R c 1 1 t1.a\n21 r c 1 1';
    const asked = (rest: string, kind = '-'): RunProcess => client(`10 ? 1 t1.a ${kind}\n${rest}`);
    expect(rules(asked('30 : 1 1 right\n31 . 1'), server('s1', run))).toEqual([]);
    expect(rules(asked(''), server('s1', run))).toEqual(['lost']);
    expect(rules(asked('30 : 1 1 wrong\n31 . 1'), server('s1', run))).toEqual(['requests']);
    const again = server('s2', '600 R c 1 2 t1.a\n601 r c 1 2');
    expect(rules(asked('630 : 1 1 right\n631 . 1', 'i'), server('s1', run, killed), again)).toEqual([]);
    expect(rules(asked('630 : 1 1 right\n631 . 1'), server('s1', run, killed), again)).toEqual(['requests']);
    const lost = '600 x 1 RSM_CONNECTION_LOST 5 process 4711s1 is gone';
    expect(rules(asked(lost), server('s1', '20 R c 1 1 t1.a', killed))).toEqual([]);
    expect(rules(asked(lost, 'i'), server('s1', '20 R c 1 1 t1.a', killed))).toEqual(['requests']);
    expect(rules(asked(lost), server('s1', run))).toEqual(['requests']);
  });
});

describe('the plan of the soak', () => {
  const options = { duration: 60_000, pace: 700, stop: 1_300 };

  it('is the same for the same seed, another for another, and has every fault', () => {
    expect(plan({ seed: 1, ...options })).toEqual(plan({ seed: 1, ...options }));
    expect(plan({ seed: 1, ...options })).not.toEqual(plan({ seed: 2, ...options }));
    expect(new Set(plan({ seed: 3, ...options }).map(({ fault }) => fault)).size).toBe(12);
  });
});

describe('random kills, stops and deployments', () => {
  it(
    'lose nothing, repeat nothing without leave, keep order and leave nothing behind',
    async () => {
      const script = join(import.meta.dirname, '..', 'dist', 'soak', 'main.js');
      const { code, output } = await new Promise<{ code: unknown; output: string }>((resolve) => {
        const args = [script, '--short', '--seconds', '20', '--seed', '20261122'];
        execFile(process.execPath, args, { timeout: PATIENCE, env: { ...process.env, NODE_OPTIONS: '' } }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : (error.code ?? error.signal), output: stdout + stderr }),
        );
      });
      expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('Nothing lost') });
    },
    PATIENCE,
  );
});

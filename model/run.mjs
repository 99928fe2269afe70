// Verifies the model of one channel with spin, then breaks each ordering in turn and requires that spin notices.
// `node model/run.mjs` runs all; `node model/run.mjs NAME...` only those whose name contains one of the words, and shows how spin gets there.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));

const MAPPED = ['MESSAGES=4', 'PARTITIONS=3'];
const SMALL = ['MESSAGES=3', 'PARTITIONS=2'];
// Without fences far more is possible at a time: a message of two partitions that must wait, and three messages through one partition.
const SPANS = ['MESSAGES=2', 'PARTITIONS=2'];
const TURNS = ['MESSAGES=3', 'PARTITIONS=1', 'LONG_MESSAGE=0'];
const ONE_EACH = ['MESSAGES=2', 'PARTITIONS=1', 'LONG_MESSAGE=0'];
const TSO = ['MEMORY_TSO', ...SMALL];
const WEAK = ['MEMORY_WEAK', ...SMALL];
const FABRIC = ['MEMORY_FABRIC', ...SPANS];

const HOLDS = 'holds';
const SLEEPS = 'lost wake-up'; // an end state in which somebody sleeps or waits
const BROKEN = 'assertion'; // torn, lost, doubled, reordered, overflown, or woken for ever

const checks = [
  ['tso', ['MEMORY_TSO', ...MAPPED], HOLDS],
  ['tso, nobody is woken for nothing', [...TSO, 'COUNT_WAKES'], HOLDS],
  ['tso, sender killed', [...TSO, 'SENDER_KILLED'], HOLDS],
  ['tso, receiver killed', [...TSO, 'RECEIVER_KILLED', 'STARTED_WORDS'], HOLDS],
  ['tso, receiver closes', [...TSO, 'RECEIVER_CLOSES'], HOLDS],
  ['weak', ['MEMORY_WEAK', ...MAPPED], HOLDS],
  ['weak, sender killed', [...WEAK, 'SENDER_KILLED'], HOLDS],
  ['weak, receiver killed', [...WEAK, 'RECEIVER_KILLED', 'STARTED_WORDS'], HOLDS],
  ['weak, receiver closes', [...WEAK, 'RECEIVER_CLOSES'], HOLDS],
  ['fabric, spans', FABRIC, HOLDS],
  ['fabric, spans, slots arrive in halves', [...FABRIC, 'HALVES'], HOLDS],
  ['fabric, turns', ['MEMORY_FABRIC', ...TURNS], HOLDS],
  ['fabric, nobody is woken for nothing', ['MEMORY_FABRIC', ...ONE_EACH, 'COUNT_WAKES'], HOLDS],
  ['fabric, sender killed', [...FABRIC, 'SENDER_KILLED'], HOLDS],
  ['fabric, receiver killed', [...FABRIC, 'RECEIVER_KILLED'], HOLDS],
  ['fabric, receiver killed, started', ['MEMORY_FABRIC', ...ONE_EACH, 'RECEIVER_KILLED', 'STARTED_WORDS'], HOLDS],
  ['fabric, receiver closes', [...FABRIC, 'RECEIVER_CLOSES'], HOLDS],

  ['STAMP_BEFORE_PAYLOAD', TSO, BROKEN],
  ['STAMP_BEFORE_DIRECTORY', TSO, BROKEN],
  ['STAMP_BEFORE_BODY', TSO, BROKEN],
  ['ORDER_STAMP_RELAXED', WEAK, BROKEN],
  ['ORDER_BODY_READ_FIRST', TSO, BROKEN],
  ['RECORD_STAMP_BEFORE_BODY', TSO, BROKEN],
  ['RECORD_STAMP_RELAXED', WEAK, BROKEN],
  ['RECORD_BODY_READ_FIRST', TSO, BROKEN],
  ['FREE_BEFORE_RELEASE', TSO, BROKEN],
  ['RELEASE_BEFORE_COPY', TSO, BROKEN],
  ['FEWER_SLOTS_THAN_PARTITIONS', TSO, BROKEN],
  ['NO_FENCE_AT_COMMIT', TSO, SLEEPS],
  ['NO_FENCE_AT_ARM', TSO, SLEEPS],
  ['NO_FENCE_AT_FLUSH', TSO, SLEEPS],
  ['NO_FENCE_AT_WAIT', TSO, SLEEPS],
  ['LOOK_BEFORE_COMMIT', TSO, SLEEPS],
  ['NO_RECHECK_AFTER_ARM', TSO, SLEEPS],
  ['NO_RECHECK_AFTER_WAIT', TSO, SLEEPS],
  ['NO_FLUSH_BEFORE_SLEEP', TSO, SLEEPS],
  ['RUNG_ONCE', TSO, SLEEPS],
  ['SAME_GENERATION', TSO, SLEEPS],
  ['WAIT_NOT_BEGUN_ANEW', TSO, SLEEPS],
  ['EXPECTED_OFF_BY_ONE', TSO, SLEEPS],
  ['RELEASE_EXPECTED_OFF_BY_ONE', TSO, SLEEPS],
  ['DOORBELL_HOLDS_NO_RING', TSO, SLEEPS],
  ['CLOSE_BEFORE_DRAIN', [...TSO, 'SENDER_KILLED'], BROKEN],
  ['UNFINISHED_BEFORE_RELEASES', [...TSO, 'RECEIVER_KILLED'], BROKEN],
  ['STARTED_AFTER_HANDLER', [...TSO, 'RECEIVER_KILLED', 'STARTED_WORDS'], BROKEN],
  ['RELEASE_AFTER_CLOSE', [...TSO, 'RECEIVER_CLOSES'], BROKEN],
  ['ARM_WITHOUT_EXPECTED', FABRIC, SLEEPS],
  ['WAIT_WITHOUT_EXPECTED', FABRIC, SLEEPS],
  ['WAIT_RUNG_ON_ANY_ARRIVAL', ['MEMORY_FABRIC', ...ONE_EACH, 'COUNT_WAKES'], BROKEN],
  ['ARRIVAL_NOT_LOOKED_AT', FABRIC, SLEEPS],
  ['SLOT_READ_BEFORE_COMPLETION', [...FABRIC, 'HALVES'], BROKEN],
  ['RECORD_READ_BEFORE_COMPLETION', [...FABRIC, 'HALVES'], BROKEN],
  ['HANG_UP_OVERTAKES_WRITES', [...FABRIC, 'SENDER_KILLED'], BROKEN],
  ['HANDLER_BEFORE_STARTED_ARRIVED', ['MEMORY_FABRIC', ...ONE_EACH, 'RECEIVER_KILLED', 'STARTED_WORDS'], BROKEN],
].map(([name, defines, expected]) => {
  const mutates = /^[A-Z_]+$/.test(name);
  return {
    name: mutates ? name.toLowerCase().replaceAll('_', ' ') : name,
    mutates,
    expected,
    defines: mutates ? [...defines, `MUTATION_${name}`] : defines,
  };
});

function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 28 });
  return { ok: !error && status === 0, missing: error?.code === 'ENOENT', output: `${stdout ?? ''}${stderr ?? ''}` };
}

function requireTools() {
  if (run('spin', ['-V']).missing) {
    console.error('The model needs spin, which is not installed. Debian, Ubuntu: apt-get install spin   macOS: brew install spin');
    process.exit(2);
  }
  // spin itself calls gcc as its preprocessor unless told otherwise
  const compiler = ['cc', 'gcc', 'clang'].find((name) => !run(name, ['--version']).missing);
  if (!compiler) {
    console.error('The model needs a C compiler (cc, gcc or clang). Debian, Ubuntu: apt-get install gcc   macOS: xcode-select --install');
    process.exit(2);
  }
  return compiler;
}

function verify(compiler, { name, mutates, defines }, scratch) {
  const flags = defines.map((define) => `-D${define}`);
  const preprocessor = `-P${compiler} -E -x c`;
  const generated = run('spin', [preprocessor, ...flags, '-a', 'channel.pml'], scratch);
  if (!generated.ok || /Error/.test(generated.output)) throw new Error(`spin does not accept the model of "${name}":\n${generated.output}`);
  const compiled = run(
    compiler,
    [mutates ? '-O0' : '-O2', '-w', '-DSAFETY', '-DMEMLIM=4096', '-DVECTORSZ=2048', '-o', 'pan', 'pan.c'],
    scratch,
  );
  if (!compiled.ok) throw new Error(`the verifier of "${name}" does not compile:\n${compiled.output}`);
  const began = Date.now();
  const { output } = run(join(scratch, 'pan'), ['-m100000', '-w22'], scratch);
  const seconds = (Date.now() - began) / 1000;
  const states = Number(/(\d+) states, stored/.exec(output)?.[1] ?? 0);
  let verdict = 'not complete';
  if (/pan:\d+: invalid end state/.test(output)) verdict = SLEEPS;
  else if (/pan:\d+: assertion violated - invalid array/.test(output)) verdict = 'error in the model';
  else if (/pan:\d+: assertion violated/.test(output)) verdict = BROKEN;
  else if (/errors: 0/.test(output) && !/max search depth too small|MEMLIM|out of memory|aborted/.test(output)) verdict = HOLDS;
  return { states, seconds, verdict, said: /pan:\d+: (.*)/.exec(output)?.[1] ?? output, preprocessor, flags };
}

function showTrail(scratch, { preprocessor, flags, said }) {
  console.log(`  ${said.trim().slice(0, 300)}`);
  const trail = run('spin', [preprocessor, ...flags, '-t', '-p', '-g', '-l', 'channel.pml'], scratch).output;
  console.log(trail.split('\n').slice(-400).join('\n'));
}

const compiler = requireTools();
const words = process.argv.slice(2).map((word) => word.toLowerCase().replaceAll('_', ' '));
const chosen = checks.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
const scratch = mkdtempSync(join(tmpdir(), 'rsm-model-'));
let failed = chosen.length === 0 ? 1 : 0;
let passed = 0;
try {
  for (const file of readdirSync(folder).filter((file) => file.endsWith('.pml'))) copyFileSync(join(folder, file), join(scratch, file));
  console.log(`${'model or mutation'.padEnd(42)}${'states'.padStart(10)}${'seconds'.padStart(9)}  verdict`);
  let mutations = false;
  for (const check of chosen) {
    if (check.mutates && !mutations) console.log('-- mutations: each must be noticed');
    mutations = check.mutates;
    const result = verify(compiler, check, scratch);
    const good = result.verdict === check.expected;
    if (good) ++passed;
    else ++failed;
    const verdict = good ? result.verdict : `${result.verdict} -- FAILED, expected: ${check.expected}`;
    console.log(`${check.name.padEnd(42)}${String(result.states).padStart(10)}${result.seconds.toFixed(2).padStart(9)}  ${verdict}`);
    if (result.verdict !== HOLDS && (words.length > 0 || !check.mutates)) showTrail(scratch, result);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;

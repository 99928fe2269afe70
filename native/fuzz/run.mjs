// Fuzzes the data plane: libFuzzer with the address and undefined behaviour sanitizers on each harness beside this file.
//   node native/fuzz/run.mjs [--seconds=n] [name …]   replays the kept inputs, then fuzzes each harness for so many seconds (10)
//   node native/fuzz/run.mjs --replay [name …]        only replays the kept inputs, with the compiler the addon is built with
//   node native/fuzz/run.mjs --write-corpus           writes the seeds in corpus/ anew, from the real encoders
// corpus/<name>/seed-* are seeds, regression-* are inputs that once broke something. What a run discovers stays in build/fuzz/found; an
// input that breaks a promise is named, and belongs into the corpus as regression-<what>. The last line is `N passed, N failed`.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileObjects, dataPlaneSources, linkBinary } from '../../scripts/compile.mjs';
import { execute, executeOrStop, nativeFolder, requireTools, run, Stop, withBuildLock } from '../../scripts/shared.mjs';

const harnesses = ['target_memory', 'release_memory', 'control_socket', 'endpoint'];
const corpusOf = (name) => join(nativeFolder, 'fuzz', 'corpus', name);
const options = ['abort_on_error=1:detect_leaks=1:allocator_may_return_null=1', 'print_stacktrace=1:halt_on_error=1'];

const variants = {
  fuzz: {
    compiler: 'clang++',
    flags: ['-fsanitize=fuzzer-no-link,address,undefined'],
    link: ['-fsanitize=fuzzer,address,undefined'],
    main: [],
  },
  replay: {
    compiler: process.env.CXX ?? 'g++',
    flags: ['-fsanitize=address,undefined'],
    link: ['-fsanitize=address,undefined'],
    main: ['fuzz/replay_main.cc'],
  },
};

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seconds: { type: 'string', default: '10' }, replay: { type: 'boolean' }, 'write-corpus': { type: 'boolean' } },
  });
  const seconds = Number(values.seconds);
  if (!(seconds >= 1)) throw new Stop(`--seconds must be a number from 1 on, not ${values.seconds}`);
  const unknown = positionals.filter((name) => !harnesses.includes(name));
  if (unknown.length) throw new Stop(`No harness is called ${unknown.join(' nor ')}. There are: ${harnesses.join(', ')}`);
  const names = positionals.length ? positionals : harnesses;
  if (values['write-corpus']) return writeCorpus();

  const variant = values.replay ? 'replay' : 'fuzz';
  if (variant === 'fuzz') await requireClang();
  else await requireTools([[variants.replay.compiler]]);
  const binaries = await withBuildLock(() =>
    build(
      variant,
      names.map((name) => `${name}_fuzz`),
    ),
  );

  const total = { passed: 0, failed: 0 };
  for (const [i, name] of names.entries()) {
    await replay(name, binaries[i], total);
    if (!values.replay) await fuzz(name, binaries[i], seconds, total);
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed || !total.passed ? 1 : 0;
}

const environment = () => ({ ...process.env, ASAN_OPTIONS: options[0], UBSAN_OPTIONS: options[1] });

/** Runs every kept input, each a test of its own: one that breaks something does not hide the next. */
async function replay(name, binary, total) {
  let files = readdirSync(corpusOf(name)).sort();
  if (!files.length) throw new Stop(`No inputs are kept in ${corpusOf(name)}\n0 passed, 1 failed`);
  const count = files.length;
  const failedBefore = total.failed;
  while (files.length) {
    const { code, output } = await execute(
      binary,
      files.map((file) => join(corpusOf(name), file)),
      { env: environment(), quiet: true },
    );
    const executed = files.filter((file) => output.includes(`Executed ${join(corpusOf(name), file)}`));
    total.passed += executed.length;
    files = files.slice(executed.length);
    if (code === 0) break;
    ++total.failed;
    console.log(
      `${output.trim().split('\n').slice(-60).join('\n')}\nFAILED: ${name}, kept input ${files.shift() ?? '(at the end)'} (${code})`,
    );
  }
  console.log(`${name}: ${count} kept inputs replayed, ${total.failed - failedBefore} broke a promise`);
}

async function fuzz(name, binary, seconds, total) {
  const found = join(nativeFolder, 'build', 'fuzz', 'found', name);
  const broken = join(nativeFolder, 'build', 'fuzz', 'broken');
  mkdirSync(found, { recursive: true });
  mkdirSync(broken, { recursive: true });
  const prefix = join(broken, `${name}-`);
  const limits = ['-max_len=4096', '-timeout=20', '-rss_limit_mb=2048', '-print_final_stats=1', '-use_value_profile=1'];
  const args = [...limits, `-max_total_time=${seconds}`, `-artifact_prefix=${prefix}`, found, corpusOf(name)];
  const { code, output } = await execute(binary, args, { env: environment(), quiet: true });
  const lines = output.trim().split('\n');
  const stat = (key) => lines.find((line) => line.startsWith(`stat::${key}:`))?.split(/\s+/)[1] ?? '?';
  const covered = /cov: (\d+) ft: (\d+)/.exec(lines.filter((line) => line.includes(' cov: ')).at(-1) ?? '');
  const summary = `${stat('number_of_executed_units')} inputs, ${stat('average_exec_per_sec')}/s, ${covered?.[1] ?? '?'} edges, ${covered?.[2] ?? '?'} features`;
  if (code === 0) {
    ++total.passed;
    console.log(`${name}: fuzzed for ${seconds} s, ${summary}`);
    return;
  }
  ++total.failed;
  const told = lines.filter((line) => !/^(#\d|\s*NEW_FUNC)/.test(line));
  console.log(`${told.slice(-60).join('\n')}\nFAILED: ${name} (${code}); ${summary}`);
}

async function writeCorpus() {
  await requireTools([[variants.replay.compiler]]);
  const [binary] = await withBuildLock(() => build('replay', ['write_corpus']));
  for (const name of harnesses) mkdirSync(corpusOf(name), { recursive: true });
  await executeOrStop('Writing the corpus', binary, [join(nativeFolder, 'fuzz', 'corpus')], { env: environment() });
  for (const name of harnesses) console.log(`${name}: ${readdirSync(corpusOf(name)).length} inputs`);
}

async function requireClang() {
  const probe = join(nativeFolder, 'build', 'fuzz');
  mkdirSync(probe, { recursive: true });
  const source = join(probe, 'probe.cc');
  writeFileSync(source, 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n');
  const install =
    'Fuzzing needs clang with libFuzzer and its sanitizers. On Debian 12: apt-get install clang libclang-rt-14-dev ' +
    '(elsewhere: clang and the compiler-rt of its version). Without it: node native/fuzz/run.mjs --replay';
  try {
    const { code, output } = await execute('clang++', [...variants.fuzz.link, source, '-o', join(probe, 'probe')], { quiet: true });
    if (code !== 0) throw new Stop(`${output.trim()}\n${install}`);
  } catch (error) {
    throw error instanceof Stop ? error : new Stop(install);
  }
}

/** Builds one binary per main file and returns their paths. */
async function build(variant, mains) {
  const { compiler, flags: own, link, main: shared } = variants[variant];
  const folder = join(nativeFolder, 'build', variant === 'fuzz' ? 'fuzz' : 'fuzz-replay');
  const flags = ['-std=c++20', '-O1', '-g', '-Wall', '-Wextra', '-pthread', '-fno-omit-frame-pointer', '-fno-sanitize-recover=all'];
  flags.push(...own, '-I', 'src', '-I', 'test', '-I', 'fuzz', '-include', 'fuzz/observed_loads.hpp');
  const library = dataPlaneSources();
  const objects = await compileObjects({
    compiler,
    flags,
    folder,
    sources: [...library, ...shared, ...mains.map((name) => `fuzz/${name}.cc`)],
  });
  const binaries = [];
  for (const [i, name] of mains.entries()) {
    const common = objects.slice(0, library.length + (name === 'write_corpus' ? 0 : shared.length));
    const main = objects[library.length + shared.length + i];
    binaries.push(await linkBinary({ compiler, flags: [...link, '-pthread'], objects: [...common, main], binary: join(folder, name) }));
  }
  return binaries;
}

await run(main);

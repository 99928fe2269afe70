import { availableParallelism, constants } from 'node:os';
import { differencesOf, faultsOf, killFaultsOf } from './faults.js';
import { Gateway } from './gateway.js';
import { killRunOver } from './kill-run.js';
import { parseOptions } from './options.js';
import { formatReport } from './report.js';
import type { KillRun, Run } from './results.js';
import { runOver } from './run.js';
import { Services } from './services.js';

const options = parseOptions(process.argv);
/** What runs now, to be ended on every way out. */
let services: Services | undefined;
let interrupted = false;
let staying = false;

/** Runs over each transport and reports. Answers what went wrong. */
async function demo(): Promise<string[]> {
  const runs: Run[] = [];
  const kills: KillRun[] = [];
  const faults: string[] = [];
  console.log(
    `${options.flights.toLocaleString('en-US')} flights go as events through three services, each a process of its own ` +
      `(Node ${process.version}, ${availableParallelism()} cores).\n`,
  );
  for (const transport of options.transports) {
    faults.push(...(await stopServices()));
    services = await Services.start(transport, options.port);
    await services.ready();
    const gateway = new Gateway(services.url);
    const run = await Promise.race([runOver(transport, gateway, options.flights), services.failed]);
    const kill = await Promise.race([killRunOver(transport, gateway, services, options.flights), services.failed]);
    faults.push(...faultsOf(run, options.flights), ...killFaultsOf(kill));
    runs.unshift(run);
    kills.unshift(kill);
  }
  if (runs.length === 2) {
    faults.push(...differencesOf(runs[0], runs[1]));
  }
  console.log(`\n${formatReport(runs, kills)}\n`);
  if (options.stay && services) {
    await stay(services);
  }
  faults.push(...(await stopServices()));
  return faults;
}

function verdict(): string {
  const undisturbed = 'Undisturbed, every event arrived, once and unchanged.';
  return options.transports.includes('rsm') ? `${undisturbed} Over segments none was lost to the kill.` : undisturbed;
}

/** Until a signal comes or a service ends. */
async function stay({ url, failed }: Services): Promise<never> {
  staying = true;
  console.log(
    [
      'The services stay up until Ctrl-C. Try',
      `  curl ${url}/airports/SFO`,
      `  curl '${url}/delays/top?n=3'`,
      `  curl '${url}/flights?origin=SFO&limit=5'`,
      `  curl ${url}/flights -H 'Content-Type: application/json' \\`,
      `    -d '{"date":"2001-01-01","delay":90,"distance":2176,"origin":"LAS","destination":"PHL"}'`,
      `  curl ${url}/tables`,
    ].join('\n'),
  );
  return failed;
}

async function stopServices(): Promise<string[]> {
  const complaints = (await services?.stop()) ?? [];
  services = undefined;
  return complaints;
}

/** The first signal ends the services in good order, the second at once. */
async function interrupt(signal: NodeJS.Signals): Promise<void> {
  const code = staying ? 0 : 128 + constants.signals[signal];
  if (interrupted) {
    process.exit(code);
  }
  interrupted = true;
  const complaints = await stopServices();
  complaints.forEach((complaint) => console.error(complaint));
  process.exit(complaints.length > 0 ? 1 : code);
}

process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
process.on('SIGHUP', interrupt);
// Whatever ends this program: nothing stays behind.
process.on('exit', () => services?.kill());

try {
  const faults = await demo();
  faults.forEach((fault) => console.error(`FAULT ${fault}`));
  if (faults.length === 0) {
    console.log(verdict());
  }
  process.exitCode = faults.length === 0 ? 0 : 1;
} catch (error) {
  // A service that ends after Ctrl-C is no error: the terminal sends the signal to it as well.
  if (!interrupted) {
    console.error(error instanceof Error ? error.message : error);
    await stopServices();
    process.exitCode = 1;
  }
}

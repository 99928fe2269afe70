import { Command, InvalidArgumentError, Option } from 'commander';
import type { TransportName } from './results.js';

const ALL_FLIGHTS = 3_000_000;
/** The flights of the first two weeks of 2001. */
const FIRST_FLIGHTS = 231_083;
/** Fewer have no middle to be killed in. */
const FEWEST_FLIGHTS = 100;

export interface DemoOptions {
  flights: number;
  /** In the order in which they run: the last one stays up. */
  transports: TransportName[];
  stay: boolean;
  /** 0: any free one. */
  port: number;
}

/** Reads the command line; prints help or what is wrong with it and ends the process. */
export function parseOptions(argv: string[]): DemoOptions {
  const options = new Command('npm start --')
    .description('Runs the sample services as processes of their own, sends flights through them and reports.')
    .addOption(new Option('--all', `send all ${ALL_FLIGHTS} flights`).conflicts('flights'))
    .option('--flights <n>', 'send the first n flights', integerIn(FEWEST_FLIGHTS, ALL_FLIGHTS), FIRST_FLIGHTS)
    .addOption(new Option('--transport <name>', 'run over').choices(['both', 'rsm', 'tcp']).default('both'))
    .option('--stay', 'leave the services running, to be used with curl')
    .option('--port <n>', "the gateway's HTTP port (default: any free one)", integerIn(0, 65_535), 0)
    .parse(argv)
    .opts<{ all?: boolean; flights: number; transport: 'both' | TransportName; stay?: boolean; port: number }>();
  return {
    flights: options.all ? ALL_FLIGHTS : options.flights,
    transports: options.transport === 'both' ? ['tcp', 'rsm'] : [options.transport],
    stay: options.stay ?? false,
    port: options.port,
  };
}

function integerIn(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be an integer in ${min} to ${max}.`);
    }
    return value;
  };
}

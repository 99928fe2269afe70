/** CLOCK_MONOTONIC in milliseconds: one clock for all processes of a host, untouched by changes of the time of day. Deadlines are given in it. */
export function monotonicMilliseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

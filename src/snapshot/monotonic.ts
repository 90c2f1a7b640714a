/** The clock that ages are told by: the same for all processes of the machine, and nobody can set it. */

// Taken once: what a program's tests put in its place is not for us.
const hrtime = process.hrtime.bind(process);

/** Milliseconds since some moment before this system started; a pause of the whole machine may not count. @throws never */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/** `npm run soak`: SOAK_SECONDS (300) of everything that can happen to a fleet, by chance of SOAK_SEED; ends with 1 when anything is not as it must be. */
import { report } from './outcome.ts';
import { soak } from './run.ts';

const seconds = Number(process.env['SOAK_SECONDS'] ?? 300);
const seed = Number(process.env['SOAK_SEED'] ?? Date.now() % 2 ** 32);
const ends: (() => unknown)[] = [];

console.log(`soaking for ${seconds} s, SOAK_SEED=${seed}`);
try {
  const outcome = await soak({ after: (end) => void ends.push(end) }, { seconds, seed });
  console.log(report(outcome));
  process.exitCode = outcome.violations.length === 0 ? 0 : 1;
} finally {
  for (const end of ends) await end();
}

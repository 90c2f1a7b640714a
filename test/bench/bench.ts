/** `npm run bench`: every part in order, or those named; each prints a table and says which of its targets are met. */
import { redisValue } from './redis-value.ts';
import { requestCost } from './request-cost.ts';
import { scrapeCost } from './scrape-cost.ts';
import { startUp } from './start-up.ts';

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  'request-cost': requestCost,
  'start-up': startUp,
  'redis-value': redisValue,
  'scrape-cost': scrapeCost,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((part) => !Object.hasOwn(PARTS, part));
if (unknown.length > 0) {
  console.error(`there is no bench ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
  process.exitCode = 2;
} else {
  for (const part of wanted.length > 0 ? wanted : Object.keys(PARTS)) await PARTS[part]!();
}

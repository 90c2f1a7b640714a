/**
 * Compares passwords with bcrypt hashes, which takes this thread tens of milliseconds and more each: one at a time, with
 * pauses as long as the work, and those who wait are few. So a flood of them takes half of the thread and no memory.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createRequire } from 'node:module';
import { report } from '../report.ts';

/** Who asks, and whether he still does. */
export interface Asker {
  readonly address: string;
  isGone(): boolean;
}

interface Job {
  readonly password: string;
  readonly hashes: readonly string[];
  readonly asker: Asker;
  done(match: number | undefined): void;
}

// By address fewer, so that one that floods does not take the place of others.
const MAX_WAITING = 16;
const MAX_WAITING_OF_ADDRESS = 3;
// Who would wait for longer is better told to come again.
const MAX_WAIT_MS = 5000;
const SALT_LENGTH = 29;

/** Of one endpoint: one queue. */
export class PasswordChecks {
  readonly #waiting: Job[] = [];
  #isBusy = false;
  #lastMs = 0;
  #endedMs = Number.NEGATIVE_INFINITY;

  /**
   * @param hashes - of bcrypt; all are compared, whichever it is
   * @returns which of the hashes is the password's, -1 for none of them; undefined where too many wait
   * @throws never
   */
  check(password: string, hashes: readonly string[], asker: Asker): Promise<number | undefined> {
    const ofAddress = this.#waiting.filter((job) => job.asker.address === asker.address).length;
    const waitMs = (this.#waiting.length + 1) * this.#lastMs * 2;
    const isFull = this.#waiting.length >= MAX_WAITING || ofAddress >= MAX_WAITING_OF_ADDRESS;
    if (isFull || (this.#waiting.length > 0 && waitMs > MAX_WAIT_MS)) return Promise.resolve(undefined);
    return new Promise((done) => {
      this.#waiting.push({ password, hashes, asker, done });
      void this.#work();
    });
  }

  async #work(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (let job = this.#waiting.shift(); job; job = this.#waiting.shift()) {
      await this.#rest();
      if (job.asker.isGone()) {
        job.done(undefined);
        continue;
      }
      const beganMs = performance.now();
      job.done(await matchOf(job));
      this.#endedMs = performance.now();
      this.#lastMs = this.#endedMs - beganMs;
    }
    this.#isBusy = false;
  }

  // A turn of the loop at least: on a fast machine bcryptjs compares in one go, and who has asked meanwhile would be read one
  // by one behind it, so that nobody ever waits and nothing pauses.
  #rest(): Promise<void> {
    const restMs = this.#endedMs + this.#lastMs - performance.now();
    return new Promise((resolve) => {
      if (restMs > 0) setTimeout(resolve, restMs).unref();
      else setImmediate(resolve);
    });
  }
}

// bcrypt takes every hash that was read as one; should it not, it is no match.
async function matchOf(job: Job): Promise<number> {
  try {
    return await matchByBcrypt(job);
  } catch (error) {
    report('error', `a password could not be compared: ${(error as NodeJS.ErrnoException).code ?? 'bcryptjs failed'}`);
    return -1;
  }
}

async function matchByBcrypt({ password, hashes }: Job): Promise<number> {
  const bcrypt = createRequire(import.meta.url)('bcryptjs') as typeof import('bcryptjs');
  let match = -1;
  for (const [i, hash] of hashes.entries()) {
    const made = await bcrypt.hash(password, hash.slice(0, SALT_LENGTH));
    if (timingSafeEqual(digestOf(made), digestOf(hash))) match = i;
  }
  return match;
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

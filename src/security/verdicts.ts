/** What credentials were found to be, so that a scraper does not pay for bcrypt each time. Kept by keyed digests alone. */
import { createHmac, randomBytes } from 'node:crypto';
import type { Credential } from './authorization.ts';

// Wrong ones are kept apart: whoever sends many of them pushes out none of the right ones.
const MAX_RIGHT = 1000;
const MAX_WRONG = 100;

/** Bounded, whatever is sent. */
export class Verdicts {
  // Not to be found by somebody who can measure how long a Map looks, nor to be tried out by one who has a heap dump of another run.
  readonly #key = randomBytes(32);
  readonly #right = new Map<string, string>();
  readonly #wrong = new Map<string, true>();

  /** What these credentials are called in here. */
  digestOf(credential: Credential): string {
    return createHmac('sha256', this.#key).update(JSON.stringify(credential)).digest('base64');
  }

  /** @returns the hash that they matched, `wrong`, or undefined where nothing is known */
  of(digest: string): string | undefined {
    const hash = this.#right.get(digest);
    if (hash !== undefined) return hash;
    return this.#wrong.has(digest) ? 'wrong' : undefined;
  }

  keepRight(digest: string, hash: string): void {
    keep(this.#right, digest, hash, MAX_RIGHT);
  }

  keepWrong(digest: string): void {
    keep(this.#wrong, digest, true, MAX_WRONG);
  }

  /** Forgets what matched no hash of these: the others need not be compared again. */
  forgetAllBut(hashes: ReadonlySet<string>): void {
    this.#wrong.clear();
    for (const [digest, hash] of this.#right) if (!hashes.has(hash)) this.#right.delete(digest);
  }
}

function keep<T>(all: Map<string, T>, digest: string, value: T, max: number): void {
  const [oldest] = all.keys();
  if (all.size >= max && oldest !== undefined) all.delete(oldest);
  all.set(digest, value);
}

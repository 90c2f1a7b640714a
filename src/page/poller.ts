/** Asks for the status every two seconds: one question at a time, none while nobody looks, and less often while nobody answers. */
import type { Status } from '../status-document.ts';

/** What the page says of its data. */
export type Connection =
  | { readonly state: 'live' | 'paused' }
  /** `retryAtMs` on Date.now()'s clock. */
  | { readonly state: 'away'; readonly reason: string; readonly retryAtMs: number };

export interface PollerOptions {
  readonly url: string;
  readonly onStatus: (status: Status) => void;
  readonly onConnection: (connection: Connection) => void;
}

const EVERY_MS = 2000;
const ANSWER_WITHIN_MS = 10_000;
const RETRY_MS = [2000, 4000, 8000, 15_000];
const REASONS: Readonly<Record<number, string>> = {
  401: 'it asks for a name and password: load the page again',
  403: 'it refuses this page',
  429: 'it has too much to do',
  503: 'it has too much to do',
};

/** Tells of each answer, and of each change of what can be had; keeps nothing but when to ask next. */
export class Poller {
  readonly #options: PollerOptions;
  #timer = 0;
  #isAsking = false;
  #isPaused = false;
  #failures = 0;

  constructor(options: PollerOptions) {
    this.#options = options;
  }

  /** Asks at once, and then by itself. */
  start(): void {
    document.addEventListener('visibilitychange', () => this.now());
    // Back from a network that was gone: no need to wait for the next try.
    addEventListener('online', () => this.now());
    this.now();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Stops asking until it is called again; what is on its way is dropped. */
  togglePause(): void {
    this.#isPaused = !this.#isPaused;
    if (this.#isPaused) this.#options.onConnection({ state: 'paused' });
    this.now();
  }

  /** Asks now, unless it does so already, is paused, or nobody sees it. */
  now(): void {
    clearTimeout(this.#timer);
    if (this.#isAsking || this.#isPaused || document.hidden) return;
    void this.#ask();
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    let waitMs = EVERY_MS;
    try {
      const status = await load(this.#options.url);
      if (!this.#isPaused) {
        this.#failures = 0;
        this.#options.onStatus(status);
        this.#options.onConnection({ state: 'live' });
      }
    } catch (error) {
      waitMs = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)]!;
      this.#failures += 1;
      const reason = error instanceof Error ? error.message : String(error);
      if (!this.#isPaused) this.#options.onConnection({ state: 'away', reason, retryAtMs: Date.now() + waitMs });
    }
    this.#isAsking = false;
    if (!this.#isPaused && !document.hidden) this.#timer = setTimeout(() => this.now(), waitMs);
  }
}

async function load(url: string): Promise<Status> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const answer = await fetch(url, { cache: 'no-store', signal }).catch((cause) => {
    throw new Error(signal.aborted ? `nothing came within ${ANSWER_WITHIN_MS / 1000} s` : 'nobody answers', { cause });
  });
  if (!answer.ok) throw new Error(REASONS[answer.status] ?? `it answers ${answer.status}`);
  const status = (await answer.json().catch((cause) => {
    throw new Error('its answer was cut short', { cause });
  })) as Status;
  if (status?.version !== 1) throw new Error('it is of another version: load the page again');
  return status;
}

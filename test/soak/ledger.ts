/** What clients were answered, by whom and when: what must be counted whatever happened to who has answered. */

/** An answer is remembered so long, for the case that who gave it ends. */
const MEMORY_MS = 15_000;

/** Of one process or thread. Times are of performance.now(). */
interface Account {
  answered: number;
  /** When its latest answers were read. */
  recent: number[];
  doomedAtMs: number | undefined;
  /** How long before it was doomed each answer was read that may be lost with it, in ms. */
  ages: number[];
}

/** Answers by the key of who gave them. */
export class Ledger {
  /** Requests that were sent, answered or not: no more may ever be counted. */
  sent = 0;
  /** Of those, whole answers that were read. */
  answered = 0;
  readonly #oldestMs: number;
  readonly #accounts = new Map<string, Account>();
  /** All threads of these processes are doomed, since then. */
  readonly #doomedThreads = new Map<string, number>();
  /** Ages of those whose keys are somebody else's by now. */
  readonly #closed: number[] = [];

  /** @param oldestMs - an answer that was read earlier before the end of its member than this must not be lost */
  constructor(oldestMs: number) {
    this.#oldestMs = oldestMs;
  }

  /** An answer was read. */
  answer(who: string, atMs: number): void {
    this.answered += 1;
    const account = this.#account(who);
    account.answered += 1;
    account.recent.push(atMs);
    if (account.doomedAtMs !== undefined) this.#mayLose(account, account.doomedAtMs);
    else while (account.recent[0]! < atMs - MEMORY_MS) account.recent.shift();
  }

  /** A process or thread ends without being able to say what it has not said yet: its last answers may be lost. */
  doom(who: string, atMs: number): void {
    const account = this.#account(who);
    account.doomedAtMs ??= atMs;
    this.#mayLose(account, account.doomedAtMs);
  }

  /** The same of all threads that a process has, or will have. */
  doomThreads(process: string, atMs: number): void {
    if (!this.#doomedThreads.has(process)) this.#doomedThreads.set(process, atMs);
    for (const who of this.#accounts.keys()) if (who.startsWith(`${process}.`)) this.doom(who, atMs);
  }

  /** Somebody new has this key: a pid may come back. */
  born(who: string): void {
    this.#closed.push(...(this.#accounts.get(who)?.ages ?? []));
    this.#accounts.delete(who);
    if (!who.includes('.')) this.#doomedThreads.delete(who);
  }

  /** What one has answered. */
  answeredBy(who: string): number {
    return this.#accounts.get(who)?.answered ?? 0;
  }

  /** The ages of answers that may be lost with one, the youngest first. */
  agesOf(who: string): number[] {
    return [...(this.#accounts.get(who)?.ages ?? [])].sort((a, b) => a - b);
  }

  /** Answers that may be lost altogether, if what was read so long before an end may be. */
  losable(withinMs: number): number {
    const all = [this.#closed, ...[...this.#accounts.values()].map(({ ages }) => ages)];
    return all.reduce((count, ages) => count + ages.filter((ageMs) => ageMs <= withinMs).length, 0);
  }

  #account(who: string): Account {
    let account = this.#accounts.get(who);
    if (!account) {
      const [process, thread] = who.split('.') as [string, string?];
      const doomedAtMs = thread === undefined ? undefined : this.#doomedThreads.get(process);
      account = { answered: 0, recent: [], doomedAtMs, ages: [] };
      this.#accounts.set(who, account);
    }
    return account;
  }

  #mayLose(account: Account, doomedAtMs: number): void {
    const ages = account.recent.map((readMs) => doomedAtMs - readMs);
    account.ages.push(...ages.filter((ageMs) => ageMs <= this.#oldestMs));
    account.recent = [];
  }
}

/** Who is answered: whoever shows a user's password or a token. Wrong or none is 401, and no answer tells which was wrong. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Refusal } from '../server/refusals.ts';
import type { Answer, Guard } from '../server/server.ts';
import { type Credential, readAuthorization } from './authorization.ts';
import { type Asker, PasswordChecks } from './password-checks.ts';
import { RateLimit } from './rate-limit.ts';
import { Verdicts } from './verdicts.ts';
import type { Access } from './web-config.ts';

const REALM = 'realm="gunicorn-otel metrics"';
const BUSY_RETRY_SECONDS = 1;
const SHA256_PREFIX = 'sha256:';
const SALT_START = 7;
// With all that can be compared and wait at once it is fewer than there may be connections.
const MAX_SHARING = 8;

/** One for the life of an endpoint; what it lets in by can be replaced at any time. */
export class Gate {
  readonly #checks = new PasswordChecks();
  readonly #verdicts = new Verdicts();
  /** Chooses for a user that nobody knows whose time he takes. */
  readonly #key = randomBytes(32);
  /** Of credentials that are being compared: who sends the same ones meanwhile gets the same answer. */
  readonly #pending = new Map<string, Pending>();
  #access: Access = { users: new Map(), tokens: new Map() };
  #rateLimit: RateLimit | undefined;

  /** From now on. What was found right stays so where its user, or token, has the same hash still. */
  use(access: Access): void {
    const { rateLimit } = access;
    if (JSON.stringify(rateLimit) !== JSON.stringify(this.#access.rateLimit)) {
      this.#rateLimit = rateLimit && new RateLimit(rateLimit);
    }
    this.#access = access;
    this.#pending.clear();
    this.#verdicts.forgetAllBut(new Set([...entriesOf(access.users), ...access.tokens.values()]));
  }

  /** As a server asks it. @throws never */
  readonly guard: Guard = async (req) => {
    const waitMs = this.#rateLimit?.take() ?? 0;
    if (waitMs > 0)
      return refusal('rate', 429, 'too many requests', { 'Retry-After': String(Math.ceil(waitMs / 1000)) });
    const { users, tokens } = this.#access;
    if (users.size === 0 && tokens.size === 0) return undefined;
    const credential = readAuthorization(req.headers.authorization);
    const verdict = credential ? await this.#verdictOf(credential, askerOf(req)) : 'wrong';
    if (verdict === 'right') return undefined;
    if (verdict === 'busy') {
      return refusal('busy', 503, 'too many passwords at once', { 'Retry-After': String(BUSY_RETRY_SECONDS) });
    }
    return refusal('unauthorized', 401, 'who are you?', { 'WWW-Authenticate': this.#challenge() });
  };

  async #verdictOf(credential: Credential, asker: Asker): Promise<Verdict> {
    if (credential.scheme === 'bearer' && this.#isToken(credential.token)) return 'right';
    const hashes = this.#hashesFor(credential);
    if (hashes.length === 0) return 'wrong';
    const digest = this.#verdicts.digestOf(credential);
    const known = this.#verdicts.of(digest);
    if (known !== undefined) return known === 'wrong' ? 'wrong' : 'right';
    const shared = this.#pending.get(digest);
    if (shared && shared.askers >= MAX_SHARING) return 'busy';
    const pending = shared ?? { verdict: this.#compare(credential, hashes, digest, asker), askers: 0 };
    pending.askers += 1;
    this.#pending.set(digest, pending);
    const verdict = await pending.verdict;
    if (this.#pending.get(digest) === pending) this.#pending.delete(digest);
    // Who asked first may have gone, and nothing was compared for him.
    if (verdict === 'busy' && shared && !asker.isGone()) return this.#compare(credential, hashes, digest, asker);
    return verdict;
  }

  async #compare(credential: Credential, hashes: readonly string[], digest: string, asker: Asker): Promise<Verdict> {
    const access = this.#access;
    const secret = credential.scheme === 'basic' ? credential.password : credential.token;
    const match = await this.#checks.check(secret, hashes, asker);
    if (match === undefined) return 'busy';
    const isKnown = credential.scheme === 'bearer' || access.users.has(credential.user);
    const isRight = match !== -1 && isKnown;
    // Compared with what does not hold any more.
    if (access !== this.#access) return this.#verdictOf(credential, asker);
    if (!isRight) this.#verdicts.keepWrong(digest);
    else if (credential.scheme === 'basic') this.#verdicts.keepRight(digest, entryOf(credential.user, hashes[match]!));
    else this.#verdicts.keepRight(digest, hashes[match]!);
    return isRight ? 'right' : 'wrong';
  }

  #hashesFor(credential: Credential): readonly string[] {
    const { users, tokens } = this.#access;
    if (credential.scheme === 'bearer') return [...tokens.values()].filter((hash) => !hash.startsWith(SHA256_PREFIX));
    if (users.size === 0) return [];
    return [users.get(credential.user) ?? this.#decoyFor(credential.user, [...users.values()])];
  }

  // A user that nobody knows takes as long as one of those who are known, always the same: time does not tell him apart.
  #decoyFor(user: string, hashes: readonly string[]): string {
    const number = createHmac('sha256', this.#key).update(user).digest().readUInt32BE();
    const hash = hashes[number % hashes.length]!;
    return `${hash.slice(0, SALT_START)}${'.'.repeat(hash.length - SALT_START)}`;
  }

  #isToken(token: string): boolean {
    const given = createHash('sha256').update(token).digest();
    let isOne = false;
    for (const hash of this.#access.tokens.values()) {
      if (!hash.startsWith(SHA256_PREFIX)) continue;
      // All of them, whichever it is.
      if (timingSafeEqual(given, Buffer.from(hash.slice(SHA256_PREFIX.length), 'hex'))) isOne = true;
    }
    return isOne;
  }

  #challenge(): string {
    const { users, tokens } = this.#access;
    const schemes = [
      ...(users.size > 0 ? [`Basic ${REALM}, charset="UTF-8"`] : []),
      ...(tokens.size > 0 ? [`Bearer ${REALM}`] : []),
    ];
    return schemes.join(', ');
  }
}

type Verdict = 'right' | 'wrong' | 'busy';

interface Pending {
  readonly verdict: Promise<Verdict>;
  askers: number;
}

// Two users may have the same hash.
function entryOf(user: string, hash: string): string {
  return JSON.stringify([user, hash]);
}

function entriesOf(users: ReadonlyMap<string, string>): string[] {
  return [...users].map(([user, hash]) => entryOf(user, hash));
}

function askerOf({ socket }: IncomingMessage): Asker {
  return { address: socket.remoteAddress ?? '', isGone: () => socket.destroyed };
}

function refusal(refused: Refusal, status: number, text: string, headers: Readonly<Record<string, string>>): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n`, headers, refused };
}

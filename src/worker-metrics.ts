/** The documented metrics by hand, for servers that are not node:http: their requests, errors, states and restarts. */
import { messageOf } from './errors.ts';
import type { Member } from './member.ts';
import { report } from './report.ts';
import { EXIT_CAUSES, type ExitCause } from './snapshot/exit-events.ts';
import type { WorkerCondition } from './snapshot/layout.ts';
import { activeMember, start } from './start.ts';

const MAX_LABEL_LENGTH = 200;

/** Why a worker was restarted; `worker_id` and `reason` of gunicorn_worker_restart_total. */
export type RestartReason = ExitCause['reason'];
/** What a worker can say of itself; that it is unresponsive is for others to say. */
export type OwnWorkerState = WorkerCondition['name'];

/**
 * Requests and errors of this process, as its own worker. Measuring begins with the first one, as by `start()`. Methods
 * never throw, and do nothing where OTEL_SDK_DISABLED is true.
 */
export class WorkerMetrics {
  readonly #member = begin();

  /**
   * A request has ended. Counts in every request family, without sizes and status.
   *
   * @param method - of HTTP; what is none is `_OTHER`
   * @param endpoint - a pattern, never a path: at most GUNICORN_OTEL_MAX_ENDPOINTS different ones, then `other`
   * @param success - false: counts as failed, too, with `error_type="_OTHER"`; see recordError for a type of its own
   */
  recordRequest(method: string, endpoint: string, durationSeconds: number, success = true): void {
    if (!this.#member || !(durationSeconds >= 0) || durationSeconds === Number.POSITIVE_INFINITY) return;
    const { requests, changed } = this.#member;
    requests.begin(method);
    requests.end(method, '', 0, success ? '' : '_OTHER', durationSeconds, 0, 0, label(endpoint));
    changed();
  }

  /**
   * An error was handled: counts in gunicorn_worker_error_handling_total, and in no request family.
   *
   * @param endpoint - a pattern, bounded as those of requests are
   * @param errorType - class or code of the error: at most 100 different ones, then `_OTHER`
   */
  recordError(method: string, endpoint: string, errorType: string): void {
    this.#member?.requests.handled(label(errorType), label(method), label(endpoint));
    this.#member?.changed();
  }

  /** Publishes at once. Memory and CPU are read from outside the process; there is nothing to be told. */
  updateResourceUsage(): void {
    this.#member?.changed();
  }

  /** Publishes at once. The uptime follows from the start of the process; there is nothing to be told. */
  updateUptime(): void {
    this.#member?.changed();
  }

  /** Enters a state; the time of it is now. */
  updateWorkerState(state: OwnWorkerState): void {
    if (['running', 'quitting', 'aborting'].includes(state)) this.#member?.condition.enter(state);
  }
}

/** Restarts and signals that a primary of another kind sees. Methods never throw. */
export class MasterMetrics {
  readonly #member = begin();

  /**
   * A worker has ended and another has taken its place.
   *
   * @param workerId - as it is to be shown: at most 1,000 different ones, then `_OTHER`
   * @param reason - of its end; counts are for good under this id
   */
  recordWorkerRestart(workerId: string, reason: RestartReason): void {
    const cause = EXIT_CAUSES.find((known) => known.reason === reason);
    if (!this.#member || !cause) return;
    const { exits, changed } = this.#member;
    const worker = { clusterId: 0, threadId: 0, startSeconds: 0, lastingId: label(workerId) };
    exits.succeeded(exits.ended(worker, cause));
    changed();
  }

  /**
   * A signal was handled.
   *
   * @param signal - with or without SIG in front
   * @param action - what was done at it, in a word; at most 50 different pairs, then `_OTHER`
   */
  recordSignal(signal: string, action: string): void {
    this.#member?.signals.add(label(signal).replace(/^SIG/, ''), label(action));
    this.#member?.changed();
  }
}

// Types are for those who have them: whatever comes is text, and never long.
function label(value: unknown): string {
  try {
    return String(value).slice(0, MAX_LABEL_LENGTH);
  } catch {
    return '_OTHER';
  }
}

// What cannot begin says so; the program runs on without it.
function begin(): Member | undefined {
  try {
    if (!activeMember()) start();
  } catch (error) {
    report('error', `metrics are off in process ${process.pid}: ${messageOf(error)}`);
  }
  return activeMember();
}

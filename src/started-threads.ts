/**
 * The threads that this one has started, noted from the first on: who watches them may wake up later. Nothing but a
 * listener, which the app would see, tells of their end; so they are looked at.
 */
import { BroadcastChannel, type Worker } from 'node:worker_threads';

/** Marks a thread of this package's own, on its class: it is there when the thread is told of, which is in its constructor. */
export const OWN_THREAD = Symbol('gunicorn-otel.own-thread');

export interface StartedThread {
  readonly threadId: number;
  /** See now. */
  readonly startedMs: number;
  /** Whether it has ended, or nobody holds it any more, which nobody can while it runs. @throws never */
  hasEnded(): boolean;
}

const threads = new Set<StartedThread>();
let look = prune;

// Taken once: tests of the app may put another clock in its place. `performance` would be loaded for it.
const nanoseconds = process.hrtime.bigint;

/** The clock by which threads are started, in ms. */
export const now = () => Number(nanoseconds()) / 1e6;

// Between threads of one process and nobody else.
const WAKE_CHANNEL = '@x/gunicorn-otel.wake';

/** One has been started. @param message - of the channel `worker_threads`: anybody may publish anything @returns whether it is the app's @throws never */
export function noteThread(message: unknown): boolean {
  const worker = (message as { worker?: Worker } | undefined)?.worker;
  if (typeof worker?.threadId !== 'number' || OWN_THREAD in worker) return false;
  look();
  threads.add(noted(worker));
  return true;
}

/** Waits, unseen by the app and without keeping the process, for a thread of this process that measures. @param wake - told once */
export function awaitThreads(wake: () => void): void {
  const calls = new BroadcastChannel(WAKE_CHANNEL);
  calls.onmessage = () => {
    calls.close();
    wake();
  };
  calls.unref();
}

/** Of a thread that measures: wakes the main thread of its process, which is to watch and to lead. @throws never */
export function wakeProcess(): void {
  const calls = new BroadcastChannel(WAKE_CHANNEL);
  calls.postMessage('');
  calls.close();
}

/** Those that nobody has forgotten, in the order of their start. */
export function startedThreads(): StartedThread[] {
  return [...threads];
}

/** It has ended, and what is to be done about that is done. */
export function forgetThread(thread: StartedThread): void {
  threads.delete(thread);
}

/**
 * Has somebody look at the threads before each start of another: who has ended by then may be replaced by it.
 *
 * @param call - forgets those that have ended; must not throw
 * @returns stop
 */
export function lookAtStarts(call: () => void): () => void {
  look = call;
  return () => {
    if (look === call) look = prune;
  };
}

// Nobody is to hear of them.
function prune(): void {
  for (const thread of threads) if (thread.hasEnded()) threads.delete(thread);
}

// The app's object is not kept for longer than the app keeps it. Of a thread that has ended the id is -1.
function noted(worker: Worker): StartedThread {
  const weak = new WeakRef(worker);
  return {
    threadId: worker.threadId,
    startedMs: now(),
    hasEnded: () => (weak.deref()?.threadId ?? -1) === -1,
  };
}

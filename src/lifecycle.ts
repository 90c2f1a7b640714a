/**
 * The hooks of the user's config module: what they are given, and how they are called. The rule: a hook that throws, now
 * or later, is told and counted, never felt by the app; a hook that is not there costs nothing.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { discreet, type Settings } from './config.ts';

/** The group's owner: the cluster primary, or the single process. */
export interface ServerInfo {
  readonly pid: number;
  readonly role: string;
  /** Of the group, absolute. */
  readonly directory: string;
  readonly settings: Settings;
  /** Of the endpoint; undefined until it listens. */
  readonly url: string | undefined;
}

/** A process or thread that serves. */
export interface WorkerInfo {
  /** Of the cluster worker; 0 where there is no cluster. */
  readonly id: number;
  readonly pid: number | undefined;
  /** 0: the main thread. */
  readonly threadId: number;
  /** Value of the `worker_id` label. */
  readonly workerId: string;
}

/** A worker that has ended. */
export interface ExitedWorkerInfo extends WorkerInfo {
  readonly code: number | null;
  readonly signal: string | null;
  readonly reason: 'quit' | 'term' | 'abort' | 'kill' | 'crash';
  readonly restartType: 'graceful' | 'forced';
}

type AnyRequest = IncomingMessage | Http2ServerRequest;
type AnyResponse = ServerResponse | Http2ServerResponse;

/** Their names, in the order in which a process meets them. */
export const HOOK_NAMES = [
  'onStarting',
  'whenReady',
  'onReload',
  'workerInt',
  'preRequest',
  'postRequest',
  'childExit',
  'onExit',
] as const satisfies readonly (keyof Hooks)[];

/** What a config module may export to be called; docs/hooks.md tells when and where each is. */
export interface Hooks {
  onStarting?(server: ServerInfo): unknown;
  whenReady?(server: ServerInfo): unknown;
  onReload?(server: ServerInfo): unknown;
  workerInt?(worker: WorkerInfo): unknown;
  preRequest?(worker: WorkerInfo, req: AnyRequest): unknown;
  postRequest?(worker: WorkerInfo, req: AnyRequest, res: AnyResponse, durationSeconds: number): unknown;
  childExit?(server: ServerInfo, worker: ExitedWorkerInfo): unknown;
  onExit?(server: ServerInfo): unknown;
}

/** Hooks as functions that never throw; those that are not there are undefined. */
export type GuardedHooks = {
  readonly [K in keyof Hooks]?: (...args: Parameters<NonNullable<Hooks[K]>>) => void;
};

/** This process as hooks are told of it. What changes is asked for each time. */
export function serverInfo(
  { directory, settings }: Pick<ServerInfo, 'directory' | 'settings'>,
  role: () => string,
  url: () => string | undefined,
): ServerInfo {
  return Object.freeze({
    pid: process.pid,
    directory,
    settings: discreet(settings),
    get role() {
      return role();
    },
    get url() {
      return url();
    },
  });
}

/** @param onError - told what a hook threw, or what its promise was rejected with */
export function guardHooks(hooks: Hooks, onError: (error: unknown) => void): GuardedHooks {
  const exported = Object.entries(hooks).filter(([, hook]) => hook !== undefined);
  const guarded = exported.map(([name, hook]) => [
    name,
    (...args: unknown[]) => {
      try {
        const result: unknown = (hook as (...args: unknown[]) => unknown).apply(hooks, args);
        // Of whatever realm or library: only what has no `then` is not waited for.
        if (typeof (result as PromiseLike<unknown> | undefined)?.then === 'function') {
          Promise.resolve(result).catch(onError);
        }
      } catch (error) {
        onError(error);
      }
    },
  ]);
  return Object.fromEntries(guarded) as GuardedHooks;
}

/** The hooks of requests as the recorder calls them, the worker known. Not there where the app has none. */
export function requestHooks({ preRequest, postRequest }: GuardedHooks, worker: WorkerInfo) {
  return {
    ...(preRequest && { preRequest: (req: AnyRequest) => preRequest(worker, req) }),
    ...(postRequest && {
      postRequest: (req: AnyRequest, res: AnyResponse, seconds: number) => postRequest(worker, req, res, seconds),
    }),
  };
}

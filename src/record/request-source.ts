/** What a source of requests is given, and what it gives: one for each protocol, all of one interface. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { SnapshotWriter } from '../snapshot/writer.ts';
import type { Failures } from './failures.ts';
import type { InstrumentedHttp } from './http-instrumentation.ts';
import type { RequestTable } from './request-table.ts';

/** Hooks of the user around requests; they do not throw (see hooks.ts). */
export interface RequestHooks {
  preRequest?(request: IncomingMessage | Http2ServerRequest): void;
  postRequest?(
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
    durationSeconds: number,
  ): void;
}

export interface HttpOptions {
  readonly requests: RequestTable;
  readonly writer: SnapshotWriter;
  readonly failures: Failures;
  /** A server whose requests do not count: our own, where it runs in this thread. */
  readonly ignored?: (() => unknown) | undefined;
  readonly hooks?: RequestHooks;
  /** Whose word it is how long a request took, where it is not ours. */
  readonly instrumented?: InstrumentedHttp | undefined;
}

export interface HttpWatch {
  stop(): void;
  /**
   * Counts what is still under way as `errorType`; for the end of the process. Also what still comes: a thread that exits
   * has its handlers called for what is there already, and may answer it, but no response is seen to finish any more.
   */
  abandon(errorType: string): void;
  /** An uncaught error, before anybody deals with it: where it comes out of a request's handler, it is that request's. */
  thrown(error: unknown): void;
}

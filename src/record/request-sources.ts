/** Who tells the request table of requests: one source for each protocol that the app speaks, all of one interface. */
import { type HttpOptions, type HttpWatch, NO_HTTP, watchHttp } from './http.ts';

export interface RequestSourcesOptions extends HttpOptions {
  /** Whether requests are to be counted at all. */
  readonly isEnabled: boolean;
}

/** Begins to watch. @throws never */
export function watchRequests({ isEnabled, ...options }: RequestSourcesOptions): HttpWatch {
  return isEnabled ? watchHttp(options) : NO_HTTP;
}

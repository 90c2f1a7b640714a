/**
 * The request table: one cell per (method, endpoint, status, error), each holding the duration and the two body sizes
 * as histograms. One update of one cell per request; every documented request family is a view of it.
 */
import {
  ACTIVE_REQUESTS_METRIC,
  HANDLED_ERRORS_METRIC,
  OVERFLOW_METRIC,
  OWN_SCOPE,
  REQUESTS_METRIC,
} from '../snapshot/own-metrics.ts';
import type { SeriesTable } from '../snapshot/series-table.ts';
import { KnownPaths, MAX_PATH_LENGTH } from './known-paths.ts';
import { LabelledCounter } from './labelled-counter.ts';
import { endpointOf, OTHER, UNMATCHED } from './route.ts';

/** Body sizes, in bytes: 1 KiB times a power of four. */
export const SIZE_BUCKETS = [0, 1, 2, 3, 4, 5, 6].map((k) => 1024 * 4 ** k);

// RFC 9110, PATCH and QUERY; a method that is none of them is `_OTHER`, as OTel has it.
const METHODS = ['_OTHER', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'TRACE', 'QUERY'];
const METHOD_INDEX = new Map(METHODS.map((method, index) => [method, index]));
const MAX_ERROR_TYPES = 100;
/** As OTel has it for error types beyond those that are told apart. */
const OTHER_ERROR = '_OTHER';
// In the words of the original.
const UNKNOWN = 'UNKNOWN';

export interface RequestTableOptions {
  readonly table: SeriesTable;
  /** Upper bounds in seconds. */
  readonly durationBuckets: readonly number[];
  readonly maxEndpoints: number;
  readonly maxSeries: number;
}

/** What one endpoint has: its cells by method and status, and those of errors that a status does not tell. */
interface Endpoint {
  readonly name: string;
  readonly cells: Map<number, number>;
  readonly errorCells: Map<string, number>;
}

/** Counts requests into the cells of a table; the one writer of these cells. */
export class RequestTable {
  readonly #table: SeriesTable;
  readonly #options: RequestTableOptions;
  readonly #bounds: readonly number[];
  readonly #requestSizeBase: number;
  readonly #responseSizeBase: number;
  readonly #requests: number;
  readonly #active: number;
  readonly #overflow: Record<'endpoint' | 'errorType' | 'series', number>;
  readonly #activeCells: (number | undefined)[] = [];
  readonly #endpoints = new Map<string, Endpoint>();
  /** Of paths as they came, without queries. */
  readonly #paths = new KnownPaths<Endpoint>();
  readonly #other: Endpoint;
  readonly #unmatched: Endpoint;
  readonly #errorTypes = new Set<string>();
  readonly #handled: LabelledCounter;
  #cellCount = 0;
  #overflowCell: number | undefined;

  constructor(options: RequestTableOptions) {
    const { table, durationBuckets } = options;
    this.#table = table;
    this.#options = options;
    this.#bounds = durationBuckets;
    this.#requestSizeBase = durationBuckets.length + 2;
    this.#responseSizeBase = this.#requestSizeBase + SIZE_BUCKETS.length + 2;
    const own = { description: '', scope: OWN_SCOPE };
    this.#requests = table.define({
      ...own,
      name: REQUESTS_METRIC,
      unit: '',
      kind: 'histogram',
      bounds: [durationBuckets, SIZE_BUCKETS, SIZE_BUCKETS],
    });
    this.#active = table.define({ ...own, name: ACTIVE_REQUESTS_METRIC, unit: '{request}', kind: 'updowncounter' });
    const overflow = table.define({ ...own, name: OVERFLOW_METRIC, unit: '', kind: 'counter' });
    this.#overflow = {
      endpoint: table.add(overflow, { metric: 'endpoint' }),
      errorType: table.add(overflow, { metric: 'error_type' }),
      series: table.add(overflow, { metric: 'http.server.request.duration' }),
    };
    this.#handled = new LabelledCounter(table, HANDLED_ERRORS_METRIC, options.maxSeries);
    this.#other = newEndpoint(OTHER);
    this.#unmatched = newEndpoint(UNMATCHED);
  }

  /** A request has begun. */
  begin(method: string | undefined): void {
    // In two steps, here and below: a new cell may make the table grow, and `values` another array.
    const active = this.#activeCell(METHOD_INDEX.get(method!) ?? 0);
    this.#table.values[active]! += 1;
  }

  /**
   * A request has ended, one way or the other.
   *
   * @param target - the request target, as Node's `request.url` has it
   * @param status - of the response; 0 when none was sent
   * @param errorType - what went wrong when the status does not tell; '' otherwise
   * @param requestBytes - of the body, as read; `responseBytes` - of the body, as written
   * @param route - as the app or its framework names it; undefined: the endpoint is made of the path
   */
  end(
    method: string | undefined,
    target: string,
    status: number,
    errorType: string,
    durationSeconds: number,
    requestBytes: number,
    responseBytes: number,
    route?: string,
  ): void {
    const endpoint = route === undefined ? this.#endpointOf(target, status) : (this.#endpoint(route) ?? this.#other);
    const index = METHOD_INDEX.get(method!) ?? 0;
    const cell = this.#cell(endpoint, index, status, errorType);
    const active = this.#activeCell(index);
    const values = this.#table.values;
    values[active]! -= 1;
    observe(values, cell, this.#bounds, durationSeconds);
    observe(values, cell + this.#requestSizeBase, SIZE_BUCKETS, requestBytes);
    observe(values, cell + this.#responseSizeBase, SIZE_BUCKETS, responseBytes);
  }

  /**
   * An error was handled that is counted with no request: one on a connection, say, whose method and endpoint nobody knows.
   *
   * @param errorType - see errorTypeOf
   */
  handled(errorType: string, method?: string, endpoint?: string): void {
    const name = endpoint === undefined ? UNKNOWN : (this.#endpoint(endpoint) ?? this.#other).name;
    this.#handled.add({
      'http.request.method': method === undefined ? UNKNOWN : METHODS[METHOD_INDEX.get(method) ?? 0]!,
      'http.route': name,
      'error.type': this.#bounded(errorType),
    });
  }

  #activeCell(index: number): number {
    const known = this.#activeCells[index];
    if (known !== undefined) return known;
    const cell = this.#table.add(this.#active, { 'http.request.method': METHODS[index] });
    this.#activeCells[index] = cell;
    return cell;
  }

  #endpointOf(target: string, status: number): Endpoint {
    const queryAt = target.indexOf('?');
    const path = queryAt === -1 ? target : target.slice(0, queryAt);
    return this.#paths.get(path) ?? this.#endpointOfNewPath(path, status);
  }

  // Without a router nobody but the answer tells whether a path exists: what is not found takes no endpoint's place.
  #endpointOfNewPath(path: string, status: number): Endpoint {
    const name = endpointOf(path);
    if (status === 404 && !this.#endpoints.has(name)) return this.#unmatched;
    const endpoint = this.#endpoint(name);
    if (!endpoint) return this.#other;
    this.#paths.set(path, endpoint);
    return endpoint;
  }

  #endpoint(name: string): Endpoint | undefined {
    const known = this.#endpoints.get(name);
    if (known) return known;
    if (name === UNMATCHED) return this.#unmatched;
    if (name === OTHER || name.length > MAX_PATH_LENGTH || this.#endpoints.size >= this.#options.maxEndpoints) {
      this.#table.values[this.#overflow.endpoint]! += 1;
      return undefined;
    }
    const endpoint = newEndpoint(name);
    this.#endpoints.set(name, endpoint);
    return endpoint;
  }

  #cell(endpoint: Endpoint, method: number, status: number, errorType: string): number {
    const key = method * 1000 + status;
    if (errorType === '') return endpoint.cells.get(key) ?? this.#newCell(endpoint, key, errorType);
    const bounded = this.#bounded(errorType);
    return endpoint.errorCells.get(`${key} ${bounded}`) ?? this.#newCell(endpoint, key, bounded);
  }

  #bounded(errorType: string): string {
    if (this.#errorTypes.has(errorType)) return errorType;
    if (this.#errorTypes.size >= MAX_ERROR_TYPES) {
      this.#table.values[this.#overflow.errorType]! += 1;
      return OTHER_ERROR;
    }
    this.#errorTypes.add(errorType);
    return errorType;
  }

  #newCell(endpoint: Endpoint, key: number, errorType: string): number {
    if (this.#cellCount >= this.#options.maxSeries) {
      this.#table.values[this.#overflow.series]! += 1;
      this.#overflowCell ??= this.#table.add(this.#requests, { 'otel.metric.overflow': true });
      return this.#overflowCell;
    }
    this.#cellCount += 1;
    const status = key % 1000;
    const error = errorType || (status >= 500 ? String(status) : '');
    const cell = this.#table.add(this.#requests, {
      'http.request.method': METHODS[Math.floor(key / 1000)],
      'http.route': endpoint.name,
      ...(status === 0 ? {} : { 'http.response.status_code': status }),
      ...(error === '' ? {} : { 'error.type': error }),
    });
    if (errorType === '') endpoint.cells.set(key, cell);
    else endpoint.errorCells.set(`${key} ${errorType}`, cell);
    return cell;
  }
}

function newEndpoint(name: string): Endpoint {
  return { name, cells: new Map(), errorCells: new Map() };
}

// A histogram in a cell: the sum, then a count per bucket. Most values fall into the first buckets.
function observe(values: Float64Array, base: number, bounds: readonly number[], value: number): void {
  let bucket = 0;
  while (bucket < bounds.length && value > bounds[bucket]!) bucket += 1;
  values[base]! += value;
  values[base + 1 + bucket]! += 1;
}

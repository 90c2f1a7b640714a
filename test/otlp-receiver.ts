/**
 * A receiver of OTLP over HTTP, written against the official opentelemetry-proto messages: what was sent is read by field
 * numbers here, not by the code that has written it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import type { Sample } from './exposition.ts';
import { atEnd, freePort, type Owner } from './processes.ts';

// Of a gRPC message.
const GRPC_PREFIX = 5;

export interface ReceivedPoint {
  attributes: Record<string, unknown>;
  startNs: bigint;
  timeNs: bigint;
  /** Of sums and gauges. */
  value?: number;
  /** Of histograms: counts are by bucket, +Inf last. */
  histogram?: { sum: number; count: number; counts: number[]; bounds: number[] };
}

export interface ReceivedMetric {
  name: string;
  kind: 'gauge' | 'sum' | 'histogram';
  /** 1 delta, 2 cumulative; 0 for gauges. */
  temporality: number;
  monotonic: boolean;
  points: ReceivedPoint[];
}

export interface Received {
  headers: IncomingHttpHeaders;
  path: string;
  resource: Record<string, unknown>;
  metrics: ReceivedMetric[];
}

export interface Receiver {
  readonly url: string;
  /** In the order of arrival. */
  readonly pushes: Received[];
  /** Answers with this status from now on; 0: not at all. */
  status: number;
  /** Answers so much later. */
  answerMs: number;
  /** Ended before it closes for good. */
  readonly senders: (() => Promise<void>)[];
  close(): Promise<void>;
  open(): Promise<void>;
}

/** Begins to listen, unless it is told to wait for open(). */
export async function startReceiver(owner: Owner, { closed = false } = {}): Promise<Receiver> {
  const port = await freePort();
  const pushes: Received[] = [];
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    if (receiver.status === 0) return;
    const sent = Buffer.concat(chunks);
    const body = req.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
    const json = req.headers['content-type'] === 'application/json';
    if (receiver.status === 200)
      pushes.push({ headers: req.headers, path: req.url!, ...(json ? readJson(body) : readProto(body)) });
    if (receiver.answerMs > 0) await delay(receiver.answerMs);
    res.writeHead(receiver.status, { 'content-type': req.headers['content-type'] }).end(json ? '{}' : undefined);
  });
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}`,
    pushes,
    status: 200,
    answerMs: 0,
    senders: [],
    async close() {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
    async open() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
  };
  atEnd(owner, async () => {
    for (const end of receiver.senders) await end();
    await receiver.close();
  });
  if (!closed) await receiver.open();
  return receiver;
}

/** The same over gRPC: one call per push, as HTTP/2 carries it (grpc.io, PROTOCOL-HTTP2). */
export async function startGrpcReceiver(owner: Owner): Promise<Pick<Receiver, 'url' | 'pushes'>> {
  const pushes: Received[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const server = createHttp2Server();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', async (stream, headers) => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    const sent = Buffer.concat(chunks);
    // A message is a flag, its length, and its bytes.
    const body = sent[0] === 1 ? gunzipSync(sent.subarray(GRPC_PREFIX)) : sent.subarray(GRPC_PREFIX);
    pushes.push({ headers, path: String(headers[':path']), ...readProto(body) });
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.alloc(GRPC_PREFIX));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(owner, () => {
    server.close();
    for (const session of sessions) session.destroy();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, pushes };
}

/** Cumulative metrics as the samples of a scrape, to be compared with one. */
export function samplesOf(metrics: readonly ReceivedMetric[]): Sample[] {
  return metrics.flatMap(({ name, points }) =>
    points.flatMap(({ attributes, value, histogram }): Sample[] => {
      const labels = attributes as Record<string, string>;
      if (!histogram) return [{ name, labels, value: value! }];
      let below = 0;
      const buckets = histogram.counts.map((count, i) => {
        below += count;
        return {
          name: `${name}_bucket`,
          labels: { ...labels, le: String(histogram.bounds[i] ?? '+Inf') },
          value: below,
        };
      });
      const { count, sum } = histogram;
      return [{ name: `${name}_count`, labels, value: count }, { name: `${name}_sum`, labels, value: sum }, ...buckets];
    }),
  );
}

// ---- protobuf: opentelemetry/proto/{collector/metrics/v1/metrics_service,metrics/v1/metrics,common/v1/common}.proto

/** Field number -> its values: bigints of varints and fixed64, bytes of everything with a length. */
type Message = Map<number, (bigint | Buffer)[]>;

function readProto(body: Buffer): Pick<Received, 'resource' | 'metrics'> {
  const resourceMetrics = messages(message(body), 1);
  assert.equal(resourceMetrics.length, 1);
  const [resource] = messages(resourceMetrics[0]!, 1);
  const metrics = messages(resourceMetrics[0]!, 2).flatMap((scope) => messages(scope, 2));
  return { resource: attributesOf(resource!, 1), metrics: metrics.map(readMetric) };
}

function readMetric(metric: Message): ReceivedMetric {
  const name = text(metric, 1);
  const kind = metric.has(5) ? 'gauge' : metric.has(7) ? 'sum' : 'histogram';
  const [data] = messages(metric, { gauge: 5, sum: 7, histogram: 9 }[kind]);
  assert.ok(data, name);
  return {
    name,
    kind,
    temporality: kind === 'gauge' ? 0 : Number(first(data, 2) ?? 0n),
    monotonic: kind === 'sum' && first(data, 3) === 1n,
    points: messages(data, 1).map(kind === 'histogram' ? readHistogramPoint : readNumberPoint),
  };
}

function readNumberPoint(point: Message): ReceivedPoint {
  const integer = first(point, 6) as bigint | undefined;
  const value = integer === undefined ? double(first(point, 4) as bigint) : Number(BigInt.asIntN(64, integer));
  return { attributes: attributesOf(point, 7), ...timesOf(point), value };
}

function readHistogramPoint(point: Message): ReceivedPoint {
  const histogram = {
    count: Number(first(point, 4) ?? 0n),
    sum: double((first(point, 5) as bigint | undefined) ?? 0n),
    counts: fixed64s(point, 6).map(Number),
    bounds: fixed64s(point, 7).map(double),
  };
  return { attributes: attributesOf(point, 9), ...timesOf(point), histogram };
}

function timesOf(point: Message) {
  return { startNs: first(point, 2) as bigint, timeNs: first(point, 3) as bigint };
}

function attributesOf(owner: Message, field: number): Record<string, unknown> {
  return Object.fromEntries(
    messages(owner, field).map((pair) => {
      const value = messages(pair, 2)[0] ?? new Map();
      if (value.has(1)) return [text(pair, 1), text(value, 1)];
      if (value.has(4)) return [text(pair, 1), double(first(value, 4) as bigint)];
      return [text(pair, 1), Number(BigInt.asIntN(64, first(value, 3) as bigint))];
    }),
  );
}

function message(bytes: Buffer): Message {
  const fields: Message = new Map();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at]!;
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const values = fields.get(tag >> 3) ?? [];
    fields.set(tag >> 3, values);
    if ((tag & 7) === 0) values.push(varint());
    else if ((tag & 7) === 1) {
      values.push(bytes.readBigUInt64LE(at));
      at += 8;
    } else {
      assert.equal(tag & 7, 2, 'a wire type that none of these messages has');
      const length = Number(varint());
      values.push(bytes.subarray(at, at + length));
      at += length;
    }
  }
  assert.equal(at, bytes.length);
  return fields;
}

function messages(owner: Message, field: number): Message[] {
  return (owner.get(field) ?? []).map((bytes) => message(bytes as Buffer));
}

function first(owner: Message, field: number): bigint | Buffer | undefined {
  return owner.get(field)?.[0];
}

function text(owner: Message, field: number): string {
  return String(first(owner, field) ?? '');
}

// Packed in one piece of bytes, or one by one.
function fixed64s(owner: Message, field: number): bigint[] {
  return (owner.get(field) ?? []).flatMap((value) =>
    typeof value === 'bigint'
      ? [value]
      : Array.from({ length: value.length / 8 }, (_, i) => value.readBigUInt64LE(8 * i)),
  );
}

function double(bits: bigint): number {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(bits);
  return bytes.readDoubleLE();
}

// ---- JSON: the same messages in proto3's mapping, as OTLP/HTTP has it

// biome-ignore lint/suspicious/noExplicitAny: whatever was sent; a field that is missing fails where it is used
type Json = any;

function readJson(body: Buffer): Pick<Received, 'resource' | 'metrics'> {
  const { resourceMetrics } = JSON.parse(String(body));
  assert.equal(resourceMetrics.length, 1);
  const metrics = resourceMetrics[0].scopeMetrics.flatMap((scope: Json) => scope.metrics);
  return { resource: jsonAttributes(resourceMetrics[0].resource.attributes), metrics: metrics.map(readJsonMetric) };
}

function readJsonMetric(metric: Json): ReceivedMetric {
  const kind = metric.gauge ? 'gauge' : metric.sum ? 'sum' : 'histogram';
  const data = metric[kind];
  return {
    name: metric.name,
    kind,
    temporality: data.aggregationTemporality ?? 0,
    monotonic: data.isMonotonic ?? false,
    points: data.dataPoints.map((point: Json) => ({
      attributes: jsonAttributes(point.attributes),
      startNs: BigInt(point.startTimeUnixNano),
      timeNs: BigInt(point.timeUnixNano),
      ...(kind === 'histogram'
        ? {
            histogram: {
              count: Number(point.count),
              sum: point.sum,
              counts: point.bucketCounts.map(Number),
              bounds: point.explicitBounds,
            },
          }
        : { value: Number(point.asDouble ?? point.asInt) }),
    })),
  };
}

function jsonAttributes(attributes: Json): Record<string, unknown> {
  const pairs = attributes.map(({ key, value }: Json) => [
    key,
    value.stringValue ?? value.doubleValue ?? Number(value.intValue),
  ]);
  return Object.fromEntries(pairs);
}

/**
 * The program that latency.ts sends load from, in a process of its own. It is told by messages what to do; its open loop
 * sends each request when its time has come, whether the earlier ones are answered or not, and counts latency from that
 * time on: what a server that has fallen behind does to those who wait is not left out.
 */
import { closedLoop, type RawConnection, rawConnection, requestFor } from './closed-loop.ts';
import { quantile } from './statistics.ts';

/** What it is asked for: as fast as the server can, or at a rate. */
export interface Task {
  readonly port: number;
  readonly path: string;
  readonly count: number;
  readonly requestsPerSecond?: number;
}

/** What it answers, of one task. Latencies are those of an open loop, in microseconds. */
export interface Findings {
  readonly requestsPerSecond: number;
  readonly p50?: number;
  readonly p99?: number;
  /** How far behind its schedule the loop itself has sent, at the 99th percentile: no latency is known better than this. */
  readonly lateP99?: number;
}

// More than are ever under way while the server keeps up; who finds none free waits, and its waiting counts.
const CONNECTIONS = 64;

process.on('message', async (task: Task) => {
  const { port, path, count, requestsPerSecond } = task;
  const seconds = requestsPerSecond === undefined ? await closedLoop(port, [requestFor(path)], count) : undefined;
  const findings: Findings =
    seconds === undefined ? await openLoop(task, requestsPerSecond!) : { requestsPerSecond: count / seconds };
  process.send!(findings);
});

async function openLoop({ port, path, count }: Task, requestsPerSecond: number): Promise<Findings> {
  const request = requestFor(path);
  const everyMs = 1000 / requestsPerSecond;
  const latencies = new Float64Array(count);
  const lateness = new Float64Array(count);
  let sent = 0;
  let answered = 0;
  const free = await connections(port, (dueMs) => {
    latencies[answered] = (performance.now() - dueMs) * 1000;
    answered += 1;
  });
  const startMs = performance.now();
  await new Promise<void>((resolve) => {
    const turn = () => {
      for (let nowMs = performance.now(); sent < count && free.length > 0; nowMs = performance.now()) {
        const dueMs = startMs + sent * everyMs;
        if (dueMs > nowMs) break;
        lateness[sent] = (nowMs - dueMs) * 1000;
        sent += 1;
        free.pop()!.sendAt(dueMs, request);
      }
      // Never asleep: a timer would send by the millisecond, ten requests at once.
      if (answered < count) setImmediate(turn);
      else resolve();
    };
    turn();
  });
  const seconds = (performance.now() - startMs) / 1000;
  for (const { close } of free) close();
  return {
    requestsPerSecond: count / seconds,
    p50: quantile([...latencies], 0.5),
    p99: quantile([...latencies], 0.99),
    lateP99: quantile([...lateness], 0.99),
  };
}

interface Sender {
  sendAt(dueMs: number, request: string): void;
  close(): void;
}

// Who is answered last is the next to send: the list is a stack.
async function connections(port: number, onAnswer: (dueMs: number) => void): Promise<Sender[]> {
  const free: Sender[] = [];
  const made = Array.from({ length: CONNECTIONS }, async () => {
    let due = 0;
    const connection: RawConnection = await rawConnection(
      port,
      () => {
        onAnswer(due);
        free.push(sender);
      },
      (error) => {
        throw error;
      },
    );
    const sender: Sender = {
      sendAt(dueMs, request) {
        due = dueMs;
        connection.send(request);
      },
      close: () => void connection.socket.destroy(),
    };
    free.push(sender);
  });
  await Promise.all(made);
  return free;
}

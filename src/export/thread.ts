/** The exporter thread's entry: acts on import, ends when its process does or when it is told to. */
import { parentPort, workerData } from 'node:worker_threads';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { messageOf } from '../errors.ts';
import { diagLogger } from '../report.ts';
import { beginToYield } from '../yield-core.ts';
import { type Answer, type Order, startExporter, type ThreadData } from './exporter.ts';

const BEAT_MS = 1000;

// This environment is the thread's own copy. Without `getconf` (distroless images) pidusage's defaults are right.
process.env['PIDUSAGE_SILENT'] = '1';
// What OTel's packages have to say goes the way our own lines go.
diag.setLogger(diagLogger(), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
const { options, argv, execArgv, beats } = workerData as ThreadData;
process.argv = [...argv];
process.execArgv = [...execArgv];
beginToYield();
const answer = (message: Answer) => parentPort?.postMessage(message);
const exporter = startExporter(
  options,
  (url) => answer({ url }),
  () => answer({ lost: true }),
);
setInterval(() => Atomics.add(beats, 0, 1), BEAT_MS).unref();
const orders = {
  stop() {
    void exporter.stop();
    parentPort?.close();
  },
  forward: () => exporter.forward(),
  collect(number: number) {
    exporter.collect().then(
      (metrics) => answer({ number, metrics }),
      (error) => answer({ number, error: messageOf(error) }),
    );
  },
};
parentPort?.on('message', (message: Order) => orders[message.order]('number' in message ? message.number : 0));

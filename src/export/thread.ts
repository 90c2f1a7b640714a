/** The exporter thread's entry: acts on import, ends when its process does or when it is told to. */
import { parentPort, workerData } from 'node:worker_threads';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { diagLogger } from '../report.ts';
import { startExporter, type ThreadData } from './exporter.ts';

// This environment is the thread's own copy. Without `getconf` (distroless images) pidusage's defaults are right.
process.env['PIDUSAGE_SILENT'] = '1';
// What OTel's packages have to say goes the way our own lines go.
diag.setLogger(diagLogger(), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
const { options, argv, execArgv } = workerData as ThreadData;
process.argv = [...argv];
process.execArgv = [...execArgv];
const exporter = startExporter(options, (url) => parentPort?.postMessage({ url }));
parentPort?.once('message', () => {
  void exporter.stop();
  parentPort?.close();
});

// A primary in the manner of Gunicorn's: keeps GUNICORN_WORKERS workers alive, HUP replaces them all, TTIN adds one,
// TTOU ends one, TERM and INT end everything. It knows nothing of metrics.
import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';

const STOP_TIMEOUT_MS = 10_000;

let wanted = Number(process.env.GUNICORN_WORKERS ?? 2);
let stopping = false;
const leaving = new Set();

cluster.setupPrimary({ exec: fileURLToPath(new URL('./app.mjs', import.meta.url)) });
cluster.on('exit', (worker) => {
  leaving.delete(worker);
  if (stopping) return;
  while (staying().length < wanted) cluster.fork();
});

process.on('SIGHUP', () => {
  const old = staying();
  for (const _ of old) cluster.fork();
  for (const worker of old) retire(worker);
});
process.on('SIGTTIN', () => {
  wanted += 1;
  cluster.fork();
});
process.on('SIGTTOU', () => {
  if (wanted <= 1) return;
  wanted -= 1;
  retire(staying()[0]);
});
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    stopping = true;
    for (const worker of Object.values(cluster.workers)) retire(worker);
  });
}

for (let i = 0; i < wanted; i += 1) cluster.fork();

function staying() {
  return Object.values(cluster.workers).filter((worker) => !leaving.has(worker));
}

// A worker finishes what it has begun, then exits by itself; one that hangs is killed.
function retire(worker) {
  leaving.add(worker);
  // One that was told to end by somebody else has gone already, or is about to.
  worker.once('error', () => {});
  worker.disconnect();
  const deadline = setTimeout(() => worker.kill('SIGKILL'), STOP_TIMEOUT_MS);
  worker.once('exit', () => clearTimeout(deadline));
}

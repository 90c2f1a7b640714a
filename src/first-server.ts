/** When a process or thread begins to serve: its first HTTP server listens, or is handed a connection by another one. */

// Imported, it would be made an ES module of first, in every process: docs/decisions/053-asleep.md.
const { channel } = process.getBuiltinModule('node:diagnostics_channel');

// Held here: a channel without a strong reference may be collected, subscribers included (Node 20).
const listenStart = channel('tracing:net.server.listen:asyncStart');
const requestStart = channel('http.server.request.start');
const streamStart = channel('http2.server.stream.start');
const waiting = new Set<() => void>();
let serves = false;

/**
 * @param call - called once, as soon as this thread serves, at once if it does; must not throw
 * @returns what takes it back
 */
export function whenServing(call: () => void): () => void {
  if (serves) {
    call();
    return () => {};
  }
  if (waiting.size === 0) {
    listenStart.subscribe(onListen);
    requestStart.subscribe(begin);
    streamStart.subscribe(begin);
  }
  waiting.add(call);
  return () => void waiting.delete(call);
}

/** Whether it is HTTP's, by what only such servers have: asking by class would load http, https and http2 into every process. */
export function isHttpServer(server: object | undefined): boolean {
  return server !== undefined && ('closeIdleConnections' in server || 'updateSettings' in server);
}

function onListen(message: unknown): void {
  if (isHttpServer((message as { server?: object }).server)) begin();
}

function begin(): void {
  serves = true;
  listenStart.unsubscribe(onListen);
  requestStart.unsubscribe(begin);
  streamStart.unsubscribe(begin);
  const calls = [...waiting];
  waiting.clear();
  for (const call of calls) call();
}

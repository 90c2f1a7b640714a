/** Which servers are HTTP's. */

/** By what only such servers have: asking by class would load http, https and http2 into every process. */
export function isHttpServer(server: object | undefined): boolean {
  return server !== undefined && ('closeIdleConnections' in server || 'updateSettings' in server);
}

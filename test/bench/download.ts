/** One scrape, as an HTTP client sees it: on a connection of its own, until the last byte is there. */
import { get } from 'node:http';
import { gunzipSync } from 'node:zlib';

export interface Download {
  readonly status: number;
  readonly milliseconds: number;
  /** As they came over the wire. */
  readonly bytes: number;
  /** Decoded; not part of the time. */
  text(): string;
}

/** @param encoding - what is accepted; a server that does not know it answers plain */
export function download(url: string, encoding: 'gzip' | 'identity' = 'gzip'): Promise<Download> {
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const sent = get(url, { headers: { 'accept-encoding': encoding }, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        const milliseconds = performance.now() - startMs;
        const body = Buffer.concat(chunks);
        const decoded = () => (res.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
        const text = () => decoded().toString();
        resolve({ status: res.statusCode ?? 0, milliseconds, bytes: body.length, text });
      });
    });
    sent.on('error', reject);
  });
}

/** What the golden life of a cluster is told in: what may differ from run to run, and nothing else, is taken out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalised } from './normalised-scrape.ts';

test('start times, timestamps, versions and what moves by itself are taken out, and nothing else', () => {
  const lines = {
    '# TYPE a counter': '# TYPE a counter',
    'gunicorn_worker_requests_total{worker_id="worker_12_1700000000"} 7':
      'gunicorn_worker_requests_total{worker_id="worker_12_START"} 7',
    'gunicorn_worker_state{worker_id="worker_1_17",state="running",timestamp="17"} 1':
      'gunicorn_worker_state{worker_id="worker_1_START",state="running",timestamp="TIME"} 1',
    'gunicorn_worker_memory_bytes{worker_id="worker_1_17"} 52428800':
      'gunicorn_worker_memory_bytes{worker_id="worker_1_START"} VALUE',
    'gunicorn_worker_request_duration_seconds_bucket{worker_id="worker_1_17",le="0.1"} 3':
      'gunicorn_worker_request_duration_seconds_bucket{worker_id="worker_1_START",le="0.1"} VALUE',
    'gunicorn_worker_request_duration_seconds_bucket{worker_id="worker_1_17",le="+Inf"} 3':
      'gunicorn_worker_request_duration_seconds_bucket{worker_id="worker_1_START",le="+Inf"} 3',
    'gunicorn_worker_request_duration_seconds_count{worker_id="worker_1_17"} 3':
      'gunicorn_worker_request_duration_seconds_count{worker_id="worker_1_START"} 3',
    'gunicorn_exporter_info{version="0.1.0",node_version="v20.1.0"} 1':
      'gunicorn_exporter_info{version="VERSION",node_version="VERSION"} 1',
    'gunicorn_exporter_scrape_errors_total 0': 'gunicorn_exporter_scrape_errors_total 0',
    'gunicorn_master_signals_total{signal="CHLD"} 12': 'gunicorn_master_signals_total{signal="CHLD"} VALUE',
    'gunicorn_master_signals_total{signal="HUP"} 1': 'gunicorn_master_signals_total{signal="HUP"} 1',
  };
  assert.equal(normalised(Object.keys(lines).join('\n')), Object.values(lines).join('\n'));
});

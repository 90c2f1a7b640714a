// Two instances of one app, preloaded by `node_args`: PM2's name for the app is the name of their group, and one of them
// has the endpoint, http://localhost:9090/metrics. `npm start`, `npm stop`.
module.exports = {
  apps: [
    {
      name: 'shop',
      script: 'server.mjs',
      exec_mode: 'cluster',
      instances: 2,
      node_args: '--require @x/gunicorn-otel/register',
      env: {
        PORT: process.env.PORT ?? '8000',
        PROMETHEUS_METRICS_PORT: process.env.PROMETHEUS_METRICS_PORT ?? '9090',
      },
    },
  ],
};

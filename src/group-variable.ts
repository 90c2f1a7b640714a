/** Tells a child process which group it belongs to: the absolute path of its directory. Ours alone, no setting. */
export const GROUP_VARIABLE = 'GUNICORN_OTEL_GROUP_DIRECTORY';

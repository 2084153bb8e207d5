// Asks the service in this container whether it is ready: the health check of the image, exit code 0 or 1.
const port = process.env['PORT'] ?? '8003';
// Less than the health check's own timeout of 3 s.
const timeoutMs = 2_000;

try {
  const url = `http://127.0.0.1:${port}/ready`;
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  process.exitCode = response.ok ? 0 : 1;
} catch (cause) {
  process.stderr.write(`${String(cause)}\n`);
  process.exitCode = 1;
}

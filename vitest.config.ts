// How the tests run: on real parts that one global setup has, in at most as many workers as the smallest machine has cores.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/real/setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Tests wait for conditions, so these only end what hangs; a hook may start a server.
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

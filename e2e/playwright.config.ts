/** How the browser tests run: one browser at a time, nothing retried, a report for scripts. */

import { fileURLToPath } from 'node:url'
import { defineConfig } from '@playwright/test'

const build = (path: string): string =>
  fileURLToPath(new URL(`../build/e2e/${path}`, import.meta.url))

export default defineConfig({
  testDir: '.',
  testMatch: '*.spec.ts',
  outputDir: build('results'),
  globalSetup: './global-setup.ts',
  // Two cores are what the smallest supported machine has, and a browser uses both.
  workers: 1,
  retries: 0,
  forbidOnly: true,
  projects: [
    { name: 'chromium' },
    // What depends on the browser. All of it in two browsers would take a test run too long.
    {
      name: 'firefox',
      testMatch:
        /(two-tabs|hand-over|page-end|environment|schema-change|vfs-conformance)\.spec\.ts$/,
    },
  ],
  timeout: 60_000,
  expect: { timeout: 20_000 },
  reporter: [['list'], ['json', { outputFile: build('report.json') }]],
})

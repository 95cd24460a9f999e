/**
 * Storage over real OPFS answers as storage over memory does: the conformance suite of
 * core/sqlite/vfs_conformance.h, each case a test, in a worker and a directory of its own.
 *
 * The one spec that is not about the package: the suite is a module for tests, which
 * scripts/build-vfs-suite.mjs makes of the same objects.
 */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test as base, expect, type Page } from '@playwright/test'
import { root } from './fixtures/apps.js'
import { Browser, projectEngine } from './fixtures/browser.js'
import { AppServer } from './fixtures/server.js'

const suite = join(root, 'build/vfs-suite')
const list = join(suite, 'cases.json')
const names: readonly string[] = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : []

/** As wasm/test/vfs-conformance-worker.ts answers. */
interface CaseOutcome {
  readonly name: string
  readonly failure: string
  readonly files: readonly string[]
}

/** One browser for all cases: what a case could leave to the next is in OPFS, and looked for. */
const test = base.extend<object, { readonly blank: Page }>({
  blank: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names from the pattern
    async ({}, use, info) => {
      const server = await AppServer.start(suite)
      const browser = await Browser.start(projectEngine(info))
      const page = await browser.newPage()
      await page.goto(`${server.origin}/blank`)
      await use(page)
      const { problems } = browser
      await browser.close()
      await server.close()
      expect(problems, 'errors that the browser reported').toEqual([])
    },
    { scope: 'worker' },
  ],
})

const run = (page: Page, index: number): Promise<CaseOutcome> =>
  page.evaluate(
    (index) =>
      new Promise<CaseOutcome>((resolve) => {
        const worker = new Worker('/app/worker.js', { type: 'module' })
        const end = (outcome: CaseOutcome): void => {
          worker.terminate()
          resolve(outcome)
        }
        worker.onmessage = ({ data }) => end(data)
        worker.onerror = ({ message }) =>
          end({ name: '', failure: `the worker did not start: ${message}`, files: [] })
        worker.postMessage(index)
      }),
    index,
  )

const directories = (page: Page): Promise<readonly string[]> =>
  page.evaluate(async () => {
    const found: string[] = []
    for await (const name of (await navigator.storage.getDirectory()).keys()) found.push(name)
    return found
  })

test.describe('storage over OPFS', () => {
  // A case takes a second at most.
  test.describe.configure({ timeout: 20_000 })

  test('the suite is built and has its cases', () => {
    expect(names.length, 'node scripts/build-vfs-suite.mjs builds it').toBeGreaterThan(30)
    expect(new Set(names).size).toBe(names.length)
  })

  for (const [index, name] of names.entries()) {
    test(name, async ({ blank }) => {
      const outcome = await run(blank, index)
      expect(outcome.failure).toBe('')
      expect(outcome.name).toBe(name)
      expect([...outcome.files].sort(), 'the files were on OPFS').toEqual([
        'a.db',
        'a.db-journal',
        'a.db-wal',
        'b.db',
        'b.db-journal',
        'b.db-wal',
      ])
      expect(await directories(blank)).toEqual([])
    })
  }
})

/**
 * What a newcomer does: `npm install` of the packed package in an app of their own, then `vite dev`
 * and `vite build`, with no Vite configuration at all, or with the optional plugin.
 */

import type { Page } from '@playwright/test'
import {
  type App,
  installApp,
  installedPackages,
  startVite,
  typeCheck,
  viteBuild,
} from './fixtures/apps.js'
import type { Browser } from './fixtures/browser.js'
import { expect, test } from './fixtures/test.js'

/** Installing takes its time when the package cache is cold. */
const INSTALL_TIMEOUT_MS = 180_000

/** Opens the app, counts how often the page was loaded, and uses it. */
const walkThrough = async (chromium: Browser, url: string): Promise<void> => {
  const page = await chromium.newPage()
  const loads = countLoads(page)
  await page.goto(url)
  await expect(page.locator('#mode')).toHaveText('persisted')
  await page.locator('#add').click()
  await expect(page.locator('#notes li')).toHaveCount(1)

  const second = await chromium.newPage()
  const loadsOfSecond = countLoads(second)
  await second.goto(url)
  await expect(second.locator('#notes li')).toHaveCount(1)
  await second.locator('#add').click()
  await expect(page.locator('#notes li')).toHaveCount(2)
  await expect(second.locator('body')).toHaveAttribute('data-pending', '0')
  expect(loads(), 'the page was loaded once, and never again').toBe(1)
  expect(loadsOfSecond()).toBe(1)

  await page.reload()
  await expect(page.locator('#notes li')).toHaveCount(2)
}

const countLoads = (page: Page): (() => number) => {
  let loads = 0
  page.on('framenavigated', (frame) => {
    if (frame === page.mainFrame()) loads += 1
  })
  return () => loads
}

interface Consumer {
  readonly name: string
  readonly vite: 'vite' | 'vite8'
  /** What the payloads of events are described with. */
  readonly schemas: 'valibot' | 'effect' | 'effect4'
  /** Folders of the app, a later one over an earlier. */
  readonly sources: readonly string[]
  readonly packages?: readonly string[]
}

const consumers: readonly Consumer[] = [
  { name: 'Vite 7', vite: 'vite', schemas: 'valibot', sources: ['e2e/consumer'] },
  { name: 'Vite 8', vite: 'vite8', schemas: 'valibot', sources: ['e2e/consumer'] },
  {
    name: 'Vite 7 and the optional plugin',
    vite: 'vite',
    schemas: 'valibot',
    sources: ['e2e/consumer', 'e2e/consumer-plugin'],
  },
  {
    name: 'effect 3',
    vite: 'vite',
    schemas: 'effect',
    sources: ['e2e/consumer', 'e2e/consumer-effect'],
  },
  {
    name: 'effect 4',
    vite: 'vite8',
    schemas: 'effect4',
    sources: ['e2e/consumer', 'e2e/consumer-effect'],
  },
  {
    name: 'nothing but names of LiveStore',
    vite: 'vite',
    schemas: 'effect',
    sources: ['e2e/consumer-alias'],
    packages: ['react', 'react-dom', '@types/react', '@types/react-dom', '@vitejs/plugin-react'],
  },
]

for (const { name, vite, schemas, sources, packages = [] } of consumers) {
  test.describe(`an app with ${name}`, () => {
    test.describe.configure({ timeout: INSTALL_TIMEOUT_MS })
    const library = schemas === 'effect4' ? 'effect' : schemas
    const install = (): Promise<App> =>
      installApp(
        `consumer-${name.toLowerCase().replaceAll(' ', '-')}`,
        sources,
        ['vite', library, 'typescript', ...packages],
        { vite, [library]: schemas },
      )

    test('installs without conflict and brings no package along', async () => {
      const app = await install()
      expect(app.installLog).not.toMatch(/ERESOLVE|npm error|npm warn (?!unknown|install-scripts)/i)
      const installed = await installedPackages(app)
      expect(installed).toContain('livestore-wasm')
      const unasked = ['effect', 'react', 'react-dom', 'solid-js', 'svelte', 'vue'].filter(
        (peer) => peer !== library && !packages.includes(peer),
      )
      for (const peer of unasked) expect(installed).not.toContain(peer)
    })

    test('type-checks strictly, with the types of the package checked too', async () => {
      const app = await install()
      await typeCheck(app)
    })

    test('runs in `vite dev` on the first start, with no reload', async ({ chromium }) => {
      const server = await startVite(await install(), 'dev')
      try {
        await walkThrough(chromium, server.url)
        expect(chromium.problems).toEqual([])
        expect(server.output()).not.toMatch(/reloading|error/i)
      } finally {
        await server.close()
      }
    })

    test('runs as `vite build` makes it', async ({ chromium }) => {
      const app = await install()
      const log = await viteBuild(app)
      expect(log).not.toMatch(/warn|externalized/i)
      const server = await startVite(app, 'preview')
      try {
        await walkThrough(chromium, server.url)
        expect(chromium.problems).toEqual([])
      } finally {
        await server.close()
      }
    })
  })
}

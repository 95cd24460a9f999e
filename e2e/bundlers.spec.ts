/**
 * Apps that do without Vite: webpack, esbuild, and no bundler at all. The first two import by the
 * names of LiveStore, aliased; the third by address.
 */

import { type App, installApp, runNode } from './fixtures/apps.js'
import { AppServer } from './fixtures/server.js'
import { expect, test } from './fixtures/test.js'

/** Installing takes its time when the package cache is cold. */
test.describe.configure({ timeout: 180_000 })

const install = (): Promise<App> =>
  installApp('bundlers', ['e2e/consumer-bundlers'], ['webpack', 'esbuild', 'effect', 'valibot'])

const ways = [
  { name: 'webpack', build: 'webpack.mjs', page: 'webpack/index.html' },
  { name: 'esbuild', build: 'esbuild.mjs', page: 'esbuild/index.html' },
  { name: 'no bundler', build: undefined, page: 'plain/index.html' },
] as const

for (const { name, build, page: path } of ways) {
  test(`an app with ${name} builds and runs, under a strict policy too`, async ({ chromium }) => {
    const app = await install()
    if (build !== undefined) {
      expect(await runNode(app, build)).not.toMatch(/warning|error/i)
    }
    const server = await AppServer.start(app.folder)
    try {
      const page = await chromium.newPage()
      await page.goto(`${server.origin}/csp/${path}`)
      await expect(page.locator('#mode')).toHaveText('persisted')
      await page.locator('#add').click()
      await expect(page.locator('#notes li')).toHaveCount(1)

      const second = await chromium.newPage()
      await second.goto(`${server.origin}/csp/${path}`)
      await expect(second.locator('#notes li')).toHaveCount(1)
      await second.locator('#add').click()
      await expect(page.locator('#notes li')).toHaveCount(2)
      await expect(second.locator('body')).toHaveAttribute('data-pending', '0')

      await page.reload()
      await expect(page.locator('#notes li')).toHaveCount(2)
      expect(chromium.problems).toEqual([])
    } finally {
      await server.close()
    }
  })
}

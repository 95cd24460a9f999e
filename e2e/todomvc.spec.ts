/**
 * The examples, as a user of them sees them, and installed from the packed package: one list of
 * steps for the app in every framework.
 */

import { join } from 'node:path'
import type { Page } from '@playwright/test'
import {
  type App,
  installApp,
  root,
  startVite,
  type ViteServer,
  viteBuild,
} from './fixtures/apps.js'
import { expect, test } from './fixtures/test.js'

const dependencies = [
  'valibot',
  'vite',
  ...['react', 'react-dom', '@vitejs/plugin-react'],
  ...['vue', '@vitejs/plugin-vue'],
  ...['solid-js', 'vite-plugin-solid'],
  ...['svelte', '@sveltejs/vite-plugin-svelte'],
]

const install = (): Promise<App> => installApp('todomvc', ['examples/todomvc'], dependencies)

const item = (page: Page, text: string) => page.getByRole('listitem').filter({ hasText: text })
const texts = (page: Page) => page.locator('.todo-text').allTextContents()

const add = async (page: Page, ...all: readonly string[]): Promise<void> => {
  for (const text of all) {
    await page.getByLabel('New todo').fill(text)
    await page.keyboard.press('Enter')
    await expect(item(page, text)).toBeVisible()
  }
}

const saved = async (page: Page): Promise<void> => {
  await expect(page.getByText('Stored in this browser. Everything saved.')).toBeVisible()
}

test.describe.configure({ mode: 'serial', timeout: 180_000 })

const runs = [
  { framework: 'react', command: 'dev' },
  { framework: 'react', command: 'preview' },
  { framework: 'vue', command: 'preview' },
  { framework: 'solid', command: 'preview' },
  { framework: 'svelte', command: 'preview' },
  { framework: 'web-components', command: 'preview' },
] as const

for (const { framework, command } of runs) {
  test.describe(`${framework}, ${command === 'dev' ? 'in vite dev' : 'as built'}`, () => {
    let server: ViteServer

    test.beforeAll(async () => {
      const app = await install()
      if (command === 'preview') await viteBuild(app, framework)
      server = await startVite(app, command, framework)
    })
    test.afterAll(async () => {
      await server?.close()
    })

    test('add, complete, edit, filter, clear, in two tabs and through a reload', async ({
      chromium,
    }) => {
      const page = await chromium.newPage()
      let loads = 0
      page.on('framenavigated', (frame) => {
        if (frame === page.mainFrame()) loads += 1
      })
      await page.goto(server.url)
      await add(page, 'Buy milk', 'Write tests', 'Sleep')
      expect(loads, 'no reload in the middle of the boot').toBe(1)
      await expect(page.getByText('3 items left')).toBeVisible()

      await item(page, 'Write tests').getByRole('checkbox').check()
      await expect(page.getByText('2 items left')).toBeVisible()

      await page.getByText('Buy milk').dblclick()
      await page.getByLabel('New text of Buy milk').fill('Buy oat milk')
      await page.keyboard.press('Enter')
      await expect(item(page, 'Buy oat milk')).toBeVisible()

      await page.getByRole('button', { name: 'Edit Sleep' }).click()
      await page.getByLabel('New text of Sleep').fill('Stay awake')
      await page.keyboard.press('Escape')
      await expect(item(page, 'Sleep')).toBeVisible()

      await page.getByLabel('Active', { exact: true }).check()
      await expect.poll(() => texts(page)).toEqual(['Buy oat milk', 'Sleep'])
      await page.getByLabel('Completed', { exact: true }).check()
      await expect.poll(() => texts(page)).toEqual(['Write tests'])

      const second = await chromium.newPage()
      await second.goto(server.url)
      await expect
        .poll(() => texts(second), { message: 'the filter belongs to the tab' })
        .toEqual(['Buy oat milk', 'Write tests', 'Sleep'])
      await add(second, 'From the second tab')
      await page.getByLabel('All', { exact: true }).check()
      await expect(item(page, 'From the second tab')).toBeVisible()
      await second.getByRole('button', { name: 'Delete From the second tab' }).click()
      await expect(item(page, 'From the second tab')).toHaveCount(0)

      await page.getByLabel('New todo').fill('half a tho')
      await saved(page)
      await page.screenshot({
        path: join(root, 'build/e2e', `todomvc-${framework}-${command}.png`),
        fullPage: true,
      })
      await page.reload()
      await expect(page.getByLabel('New todo')).toHaveValue('half a tho')
      await expect.poll(() => texts(page)).toEqual(['Buy oat milk', 'Write tests', 'Sleep'])

      await page.getByRole('button', { name: 'Clear completed' }).click()
      await expect.poll(() => texts(page)).toEqual(['Buy oat milk', 'Sleep'])
      await page.getByLabel('Mark all as completed').check()
      await expect(page.getByText('0 items left')).toBeVisible()
      await page.getByRole('button', { name: 'Clear completed' }).click()
      await expect(page.getByRole('listitem')).toHaveCount(0)

      await saved(page)
      await expect(second.getByRole('listitem')).toHaveCount(0)
      expect(chromium.problems).toEqual([])
    })

    if (framework !== 'react') return
    test('todos survive a restart of the browser', async ({ chromium }) => {
      const page = await chromium.newPage()
      await page.goto(server.url)
      await add(page, 'Buy milk')
      await saved(page)

      await chromium.restart()

      const after = await chromium.newPage()
      await after.goto(server.url)
      await expect(item(after, 'Buy milk')).toBeVisible()
      expect(chromium.problems).toEqual([])
    })
  })
}

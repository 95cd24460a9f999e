/**
 * Chromium for one sample: launch with a profile of its own, open the benchmark page, run scenarios
 * in it, close.
 *
 * Each side has a host name of its own which the browser maps to whatever port its server got. So
 * the origin, and with it the data in a prepared profile, stays the same from run to run.
 */

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chromium } from '@playwright/test'

const executables = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const bootTimeoutMs = 180_000

const findExecutable = () => {
  const asked = process.env.CHROMIUM
  if (asked !== undefined) {
    if (!existsSync(asked)) throw new Error(`CHROMIUM names ${asked}, which does not exist`)
    return asked
  }
  const found = executables.find((path) => existsSync(path))
  if (found === undefined) {
    throw new Error(
      `no browser at ${executables.join(', ')}: install Chromium, or name one in the ` +
        'environment variable CHROMIUM',
    )
  }
  return found
}

/** The browser that is used, as it names itself. */
export const browserVersion = () =>
  execFileSync(findExecutable(), ['--version'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim()

/**
 * Starts a browser on `profileDirectory` that reaches the app of `side` at the port of its server.
 */
export const launchBrowser = async (profileDirectory, side, port) => {
  const host = `${side}.localhost`
  const context = await chromium.launchPersistentContext(profileDirectory, {
    executablePath: findExecutable(),
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--host-resolver-rules=MAP ${host} 127.0.0.1:${port}`,
    ],
  })
  const origin = `http://${host}`
  const messages = []
  const watch = (page) => {
    page.on('pageerror', (error) => messages.push(`page error: ${error.message}`))
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) messages.push(message.text().slice(0, 500))
    })
  }
  context.on('page', watch)
  context.pages().forEach(watch)

  const explain = (error) => {
    const shown = messages.slice(-5).map((message) => `\n  the page said: ${message}`)
    return new Error(`${error.message.split('\n', 3).join(' ')}${shown.join('')}`, { cause: error })
  }

  return {
    /**
     * Opens a page of the same origin that touches no store: afterwards the browser's own start is
     * over.
     */
    openBlank: async () => {
      const page = await context.newPage()
      await page.goto(`${origin}/blank.html`)
      return page
    },
    /**
     * Opens the benchmark page and waits for its store. `readyMs` counts from the start of the
     * navigation, `openMs` from the call that opens the store. `run(scenario, options)` runs a
     * scenario of the app in the page.
     */
    openApp: async ({ schema = 1 } = {}) => {
      const page = await context.newPage()
      page.setDefaultTimeout(bootTimeoutMs)
      try {
        await page.goto(`${origin}/${schema === 1 ? '' : `?schema=${schema}`}`)
        const readyMs = await withTimeout(
          page.evaluate(() => globalThis.bench.ready),
          `the store was not ready after ${bootTimeoutMs} ms`,
        )
        const calledAt = await page.evaluate(() => globalThis.bench.calledAt)
        return {
          readyMs,
          openMs: readyMs - calledAt,
          run: async (scenario, options) => {
            try {
              return await page.evaluate(
                ([name, given]) => globalThis.bench.run(name, given),
                [scenario, options],
              )
            } catch (error) {
              throw explain(error)
            }
          },
          marks: () =>
            page.evaluate(() =>
              performance.getEntriesByType('mark').map((m) => [m.name, Math.round(m.startTime)]),
            ),
          close: () => page.close(),
        }
      } catch (error) {
        throw explain(error)
      }
    },
    close: () => context.close(),
  }
}

const withTimeout = async (promise, message) => {
  let timer
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), bootTimeoutMs)
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}

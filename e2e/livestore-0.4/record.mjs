/**
 * Records files/: what npm @livestore 0.4.0 leaves in the origin private file system after the
 * commits of app/main.js. Run by hand; see README.md.
 */

import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { chromium } from 'playwright'
import { build, preview } from 'vite'
import { cacheDirectory, prepareSide } from '../../bench/lib/sides.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const files = join(here, 'files')
const root = join(cacheDirectory, 'peer', 'recorded-app')

await prepareSide('peer', console.log)
rmSync(root, { recursive: true, force: true })
cpSync(join(here, 'app'), root, { recursive: true })
const common = { root, configFile: false, logLevel: 'warn' }
await build({ ...common, worker: { format: 'es' }, build: { target: 'es2022' } })
const server = await preview({ ...common, preview: { port: 0, host: '127.0.0.1' } })
const origin = server.resolvedUrls.local[0]

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
})
const context = await browser.newContext()
const page = await context.newPage()
page.on('console', (message) => console.log(`page: ${message.text().slice(0, 200)}`))
await page.goto(origin)
await page.evaluate(() => globalThis.recorded)
await page.goto(`${origin}blank.html`)
const recorded = await page.evaluate(async () => {
  const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle(
    'livestore-e2e@6',
  )
  const found = []
  for await (const [name, entry] of directory) {
    const bytes = new Uint8Array(await (await entry.getFile()).arrayBuffer())
    found.push({ name, bytes: [...bytes] })
  }
  return { found, clientId: localStorage.getItem('livestore:clientId:e2e') }
})
await browser.close()
await server.close()

rmSync(files, { recursive: true, force: true })
mkdirSync(files)
// Of the files that hold nothing two are enough.
let free = 0
for (const { name, bytes } of recorded.found) {
  if (bytes[0] === 0 && ++free > 2) continue
  writeFileSync(join(files, `${name}.gz`), gzipSync(Uint8Array.from(bytes), { level: 9 }))
}
writeFileSync(join(files, 'client-id.txt'), `${recorded.clientId}\n`)
console.log(`${recorded.found.length} files, client ${recorded.clientId}`)

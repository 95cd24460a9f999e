/**
 * Real clients of LiveStore 0.4.0 against the sync server of the built package (`npm run build`),
 * over WebSocket and over HTTP, one after the other and together. Run by hand; see ../README.md.
 *
 * No two of them commit at the same time: 0.4.0 loses events then, whatever the server.
 */

import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { serve } from '../../../dist/sync-server.js'

const here = fileURLToPath(new URL('.', import.meta.url))
const home = fileURLToPath(new URL('../../../bench/.cache/sync-interop', import.meta.url))
mkdirSync(home, { recursive: true })
cpSync(here, home, { recursive: true })
const npm = ['install', '--legacy-peer-deps', '--ignore-scripts', '--no-audit', '--no-fund']
execFileSync('npm', npm, { cwd: home, stdio: 'inherit' })

const data = mkdtempSync(join(tmpdir(), 'livestore-interop-'))
let server = await serve({ data, port: 0 })
const restart = async () => {
  const { port } = server
  await server.close()
  server = await serve({ data, port })
}

const store = (storeId, name, count, expected, transport) =>
  new Promise((resolve, reject) => {
    const args = ['store.mjs', server.url, storeId, name, count, expected, transport].map(String)
    const child = spawn(process.execPath, args, { cwd: home, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (part) => {
      output += part
    })
    child.stderr.on('data', (part) => {
      output += part
    })
    child.once('exit', () => {
      const ids = /^ids (.*)$/m.exec(output)?.[1]
      const found = ids === undefined ? 0 : JSON.parse(ids).length
      const line = `${storeId}: ${name} over ${transport} committed ${count}, has ${found}`
      if (found !== expected) reject(new Error(`${line} instead of ${expected}\n${output}`))
      else console.log(line)
      resolve(ids)
    })
  })

const sameIds = (ids) => {
  if (new Set(ids).size !== 1) throw new Error(`they differ:\n${ids.join('\n')}`)
}

try {
  await store('one-by-one', 'a', 10, 10, 'ws')
  await store('one-by-one', 'b', 5, 15, 'http')
  await restart()
  await store('one-by-one', 'c', 5, 20, 'ws')
  sameIds(
    await Promise.all([
      store('together', 'writer', 30, 30, 'ws'),
      store('together', 'reader', 0, 30, 'ws'),
      store('together', 'poller', 0, 30, 'http'),
    ]),
  )
  sameIds([
    await store('many', 'a', 150, 150, 'ws'),
    await store('many', 'b', 0, 150, 'ws'),
    await store('many', 'c', 0, 150, 'http'),
  ])
  console.log('all agree')
} finally {
  await server.close()
  rmSync(data, { recursive: true, force: true })
}

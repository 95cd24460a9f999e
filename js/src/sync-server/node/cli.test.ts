import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readCommandLine } from './cli.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'livestore-cli-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

test('the command line becomes options', async () => {
  const args = ['serve', '--data', 'd', '--port', '0', '--host', '::', '--log', 'text']
  expect(await readCommandLine([...args, '--forward-header', 'cookie'])).toEqual({
    data: 'd',
    postgres: undefined,
    port: 0,
    host: '::',
    hooks: undefined,
    forwardHeaders: ['cookie'],
    log: 'text',
  })
  expect(await readCommandLine(['--help'])).toMatch(/^Usage: livestore-wasm serve/)
})

test.each([
  [[], 'the command is `serve`'],
  [['server'], 'the command is `serve`'],
  [['serve', '--port', 'x'], '--port must be'],
  [['serve', '--port', '70000'], '--port must be'],
  [['serve', '--log', 'xml'], '--log must be'],
  [['serve', '--data', 'd', '--postgres', 'postgres://x'], 'not both'],
  [['serve', '--nope'], "Unknown option '--nope'"],
  [['serve', '--hooks', './nowhere.mjs'], 'nowhere.mjs'],
])('%j is refused', async (args, message) => {
  await expect(readCommandLine(args)).rejects.toThrow(message)
})

test('a file of hooks is loaded, by name or as its default', async () => {
  const named = file('named.mjs', 'export const validatePayload = () => {}')
  expect(await readCommandLine(['serve', '--hooks', named])).toMatchObject({
    hooks: { validatePayload: expect.any(Function) },
  })
  const byDefault = file('default.mjs', 'export default { onPush() {} }')
  expect(await readCommandLine(['serve', '--hooks', byDefault])).toMatchObject({
    hooks: { onPush: expect.any(Function) },
  })
})

test('a file of hooks without a hook, or with one that is none, starts no server', async () => {
  const empty = file('empty.mjs', 'export const validatePaylaod = () => {}')
  await expect(readCommandLine(['serve', '--hooks', empty])).rejects.toThrow('exports none of')
  const wrong = file('wrong.mjs', 'export const validatePayload = "no"')
  await expect(readCommandLine(['serve', '--hooks', wrong])).rejects.toThrow('must be a function')
})

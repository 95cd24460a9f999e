/** Who has a data directory, and who may take it over. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockDirectory } from './data-lock.js'

let directory: string
const file = (name: string): string => join(directory, name)
/** Of a process that has ended. */
const deadPid = spawnSync(process.execPath, ['-e', '']).pid

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'livestore-lock-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

test('a directory has one owner, and none once it is given back', () => {
  const release = lockDirectory(directory)
  expect(readFileSync(file('lock'), 'utf8')).toBe(`${process.pid}\n`)
  expect(() => lockDirectory(directory)).toThrow(`another server (process ${process.pid})`)
  release()
  expect(readdirSync(directory)).toEqual([])
})

test('what a process that has ended left is taken over', () => {
  writeFileSync(file('lock'), `${deadPid}\n`)
  const release = lockDirectory(directory)
  expect(readFileSync(file('lock'), 'utf8')).toBe(`${process.pid}\n`)
  expect(readdirSync(directory)).toEqual(['lock'])
  release()
})

test('while another process takes it over nobody else removes its lock', () => {
  writeFileSync(file('lock'), `${deadPid}\n`)
  writeFileSync(file('lock-takeover'), '1\n')
  expect(() => lockDirectory(directory)).toThrow(`delete ${file('lock-takeover')}`)
  expect(readFileSync(file('lock'), 'utf8')).toBe(`${deadPid}\n`)
  expect(readdirSync(directory).sort()).toEqual(['lock', 'lock-takeover'])
})

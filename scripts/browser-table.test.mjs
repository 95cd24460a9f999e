import { describe, expect, test } from 'vitest'
import { columnOf, tableOf } from './browser-table.mjs'

const ran = (title, status, reason) => ({
  title,
  tests: [
    {
      projectName: 'firefox',
      status,
      annotations: reason === undefined ? [] : [{ type: 'skip', description: reason }],
    },
  ],
})
const report = (...specs) => ({ suites: [{ file: 'two-tabs.spec.ts', specs }] })

describe('the table of browsers', () => {
  test('says what passed, and names with its reason what was skipped', () => {
    const firefox = columnOf(
      report(ran('a restart', 'expected'), ran('a crash', 'skipped', 'it cannot crash')),
      'firefox',
    )
    const chromium = {}
    const lines = tableOf({ firefox, chromium }).split('\n')
    expect(lines[2]).toMatch(/\| not run \| in part \[1\] \|$/)
    expect(lines.at(-1)).toBe('1. it cannot crash: "a crash".')
  })

  test('says that a guarantee failed when one of its tests did', () => {
    const firefox = columnOf(report(ran('a', 'expected'), ran('b', 'unexpected')), 'firefox')
    expect(tableOf({ firefox }).split('\n')[2]).toMatch(/\| not run \| failed \|$/)
  })

  test('takes no skip without a reason, and no spec without a row', () => {
    expect(() => columnOf(report(ran('a crash', 'skipped')), 'firefox')).toThrow(
      "'a crash' is skipped without a reason.",
    )
    expect(() => columnOf({ suites: [{ file: 'new.spec.ts', specs: [] }] }, 'firefox')).toThrow(
      'e2e/new.spec.ts has no row.',
    )
  })
})

/**
 * The table of README.md that says which guarantee is tested in which browser. It is made from
 * Playwright's report of a run, so it says no more than what ran and passed:
 *
 *     npm test -- --only browser,firefox     leaves the reports in build/reports
 *     node scripts/browser-table.mjs         writes the table; the tests compare with it
 *
 * A row is a spec file of e2e. What a browser skips is named below the table, with the reason that
 * the test gives.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROOT } from './lib/paths.mjs'
import { Failure, main } from './lib/terminal.mjs'

const README = join(ROOT, 'README.md')
const BEGIN = '<!-- Made by scripts/browser-table.mjs. -->'
const END = '<!-- End of the table. -->'

export const BROWSERS = [
  { project: 'chromium', name: 'Chromium' },
  { project: 'firefox', name: 'Firefox' },
]

/** What each spec shows to hold. */
const GUARANTEES = {
  'two-tabs.spec.ts': 'every tab has the same rows in the same order, also after a restart',
  'hand-over.spec.ts': 'when the leader goes, the next tab takes over and nothing is lost',
  'page-end.spec.ts': 'what is committed as a page ends is kept, and taken in once',
  'torture.spec.ts': 'five tabs, opened, closed, reloaded and killed at random, lose nothing',
  'environment.spec.ts': 'strict pages, no storage, full storage',
  'boot.spec.ts': 'every tab hears how far a boot is, and none waits for one that is gone',
  'boot-image.spec.ts': 'a store shows what is stored before it has a leader',
  'freeze.spec.ts': 'a page that is frozen hands the lead over first, and comes back',
  'no-shared-worker.spec.ts': 'the same without SharedWorker, over broadcast channels',
  'no-files.spec.ts': 'the same without synchronous file access, in IndexedDB',
  'existing-data.spec.ts': 'what LiveStore has stored is taken over',
  'schema-change.spec.ts': 'changed tables are rebuilt from the event log',
  'damaged-files.spec.ts': 'damaged files are reported or repaired, and never served',
  'bad-input.spec.ts': 'bad input throws and changes nothing',
  'sync.spec.ts': 'clients sync through a backend, offline and online',
  'served.spec.ts': 'clients sync through `npx livestore-wasm serve`, killed and offline',
  'vfs-conformance.spec.ts': 'SQLite files over OPFS behave as on disk',
  'consumers.spec.ts': 'apps with Vite 7 and 8 and effect 3 and 4 install, build and run',
  'bundlers.spec.ts': 'apps with webpack, with esbuild and with no bundler build and run',
  'todomvc.spec.ts': 'the examples work, in React, Vue, Solid, Svelte and custom elements',
}

export const reportOf = (project) => join(ROOT, 'build', 'reports', `playwright-${project}.json`)

function* testsOf(suite, path = []) {
  for (const spec of suite.specs ?? []) {
    for (const test of spec.tests) {
      yield { title: [...path, spec.title].join(' › '), test }
    }
  }
  for (const inner of suite.suites ?? []) yield* testsOf(inner, [...path, inner.title])
}

/**
 * What one browser's report says of each guarantee: `{ cell, skipped: [{ title, reason }] }` by
 * spec file.
 *
 * @throws Failure when a spec file is not in the table, or a test gives no reason for its skip.
 */
export function columnOf(report, project) {
  const column = {}
  for (const suite of report.suites) {
    const file = suite.file
    if (GUARANTEES[file] === undefined) {
      throw new Failure(
        `e2e/${file} has no row.`,
        'say what it shows in scripts/browser-table.mjs.',
      )
    }
    const tests = [...testsOf(suite)].filter(({ test }) => test.projectName === project)
    const skipped = tests
      .filter(({ test }) => test.status === 'skipped')
      .map(({ title, test }) => {
        const reason = test.annotations.find(({ type }) => type === 'skip')?.description
        if (reason === undefined) {
          throw new Failure(`'${title}' is skipped without a reason.`, 'give it one.')
        }
        return { title, reason }
      })
    const passed = tests.filter(({ test }) => test.status === 'expected')
    const isWhole = passed.length + skipped.length === tests.length
    if (!isWhole) column[file] = { cell: 'failed', skipped }
    else if (passed.length > 0)
      column[file] = { cell: skipped.length > 0 ? 'in part' : 'yes', skipped }
    else column[file] = { cell: 'cannot', skipped }
  }
  return column
}

const unique = (values) => [...new Set(values)]

/** The lines between the marks of README.md. `columns` holds what `columnOf` says, by project. */
export function tableOf(columns) {
  const reasons = []
  const noteOf = (reason) => {
    if (!reasons.some((known) => known.reason === reason)) reasons.push({ reason, titles: [] })
    return reasons.findIndex((known) => known.reason === reason)
  }
  const rows = Object.entries(GUARANTEES).map(([file, guarantee]) => {
    const cells = BROWSERS.map(({ project }) => {
      const { cell, skipped } = columns[project]?.[file] ?? { cell: 'not run', skipped: [] }
      for (const { title, reason } of skipped) {
        const { titles } = reasons[noteOf(reason)]
        if (cell === 'in part') titles.push(title)
      }
      const notes = unique(skipped.map(({ reason }) => `[${noteOf(reason) + 1}]`))
      return [cell, ...notes].join(' ')
    })
    return `| ${[guarantee, ...cells].join(' | ')} |`
  })
  const notes = reasons.map(({ reason, titles }, index) => {
    const which =
      titles.length === 0
        ? ''
        : `: ${unique(titles)
            .map((t) => `"${t}"`)
            .join(', ')}`
    return `${index + 1}. ${reason}${which}.`
  })
  const head = ['guarantee', ...BROWSERS.map(({ name }) => name)]
  return [`| ${head.join(' | ')} |`, `|${' --- |'.repeat(head.length)}`, ...rows, '', ...notes]
    .join('\n')
    .trim()
}

/**
 * One browser's part of the table in README.md against its last run.
 *
 * @throws Failure when they differ.
 */
export function checkTable(project) {
  const column = columnOf(JSON.parse(readFileSync(reportOf(project), 'utf8')), project)
  const [, table = ''] = readFileSync(README, 'utf8').split(BEGIN)
  const lines = table.split(END)[0]?.split('\n') ?? []
  const place = 2 + BROWSERS.findIndex((browser) => browser.project === project)
  for (const [file, guarantee] of Object.entries(GUARANTEES)) {
    const { cell, skipped } = column[file] ?? { cell: 'not run', skipped: [] }
    const row = lines.find((line) => line.includes(`| ${guarantee} |`)) ?? ''
    const inRow = row
      .split('|')
      [place]?.replaceAll(/\[\d+\]/g, '')
      .trim()
    const named = skipped.every(({ title, reason }) =>
      lines.some((line) => line.includes(reason) && (cell !== 'in part' || line.includes(title))),
    )
    if (inRow !== cell || !named) {
      throw new Failure(
        `README.md says of ${project} and '${guarantee}': '${inRow}'; the tests say '${cell}'.`,
        'run node scripts/browser-table.mjs after npm test -- --only browser,firefox.',
      )
    }
  }
}

async function write() {
  const columns = {}
  for (const { project } of BROWSERS) {
    if (!existsSync(reportOf(project))) {
      throw new Failure(
        `There is no report of ${project}.`,
        'run npm test -- --only browser,firefox first.',
      )
    }
    columns[project] = columnOf(JSON.parse(readFileSync(reportOf(project), 'utf8')), project)
  }
  const text = readFileSync(README, 'utf8')
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (begin < 0 || end < begin) {
    throw new Failure('README.md does not say where the table is.', `add ${BEGIN} and ${END}.`)
  }
  writeFileSync(
    README,
    `${text.slice(0, begin)}${BEGIN}\n\n${tableOf(columns)}\n\n${text.slice(end)}`,
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(write)

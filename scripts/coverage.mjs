/**
 * How much of the sync engine the native tests reach: lines and branches of the folders below, from
 * what gcc's --coverage has counted in the preset `debug` (LS_COVERAGE). Reads nothing but gcov's
 * report; the caller has cleared the counters and run the tests.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { ROOT } from './lib/paths.mjs'
import { Failure } from './lib/terminal.mjs'

/**
 * The least part of each folder, in percent. Branches are gcc's, which is the strict measure: every
 * LS_TRY has one for its failure and one for each way of leaving it, and tests make storage fail to
 * reach them. Not counted are the branches of LS_CHECK: the one not taken ends the process, so that
 * a death test, which takes it in a child, can leave no count of it.
 */
export const COVERAGE_BARS = { lines: 95, branches: 85 }
export const COVERED_FOLDERS = ['sync', 'session', 'leader', 'eventlog']

const buildFolder = (folder) => join(ROOT, 'build', 'debug', 'core', folder)

function counterFiles(folder, extension) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) return counterFiles(path, extension)
    return path.endsWith(extension) ? [path] : []
  })
}

/** Forgets what runs before this one have counted. */
export function clearCoverage() {
  for (const folder of COVERED_FOLDERS) {
    if (!existsSync(buildFolder(folder))) continue
    for (const file of counterFiles(buildFolder(folder), '.gcda')) rmSync(file)
  }
}

/** The report of gcov for every source of a folder: lines and branches that were reached. */
function measure(folder) {
  const lines = new Map()
  const branches = new Map()
  const sources = new Map()
  const isCheck = (name, line) => {
    if (!sources.has(name)) sources.set(name, readFileSync(join(ROOT, name), 'utf8').split('\n'))
    return sources.get(name)[line - 1].trimStart().startsWith('LS_CHECK(')
  }
  for (const counters of counterFiles(buildFolder(folder), '.gcda')) {
    const report = execFileSync(
      'gcov',
      ['--branch-probabilities', '--json-format', '--stdout', counters],
      {
        maxBuffer: 1 << 28,
        cwd: ROOT,
      },
    )
    const text = report[0] === 0x1f ? gunzipSync(report).toString() : report.toString()
    for (const { file, lines: found } of JSON.parse(text).files) {
      const name = relative(ROOT, join(ROOT, relative(ROOT, file)))
      if (!name.startsWith(`core/${folder}/`) || name.includes('_test')) continue
      for (const line of found) {
        const key = `${name}:${line.line_number}`
        lines.set(key, (lines.get(key) ?? 0) + line.count)
        if (isCheck(name, line.line_number)) continue
        for (const [index, branch] of line.branches.entries()) {
          if (branch.throw) continue
          const one = `${key}:${index}`
          branches.set(one, (branches.get(one) ?? 0) + branch.count)
        }
      }
    }
  }
  const part = (counts) => {
    const reached = [...counts.values()].filter((count) => count > 0).length
    return counts.size === 0 ? 0 : (100 * reached) / counts.size
  }
  const missed = [...lines].filter(([, count]) => count === 0).map(([key]) => key)
  return { folder, lines: part(lines), branches: part(branches), missed }
}

const isBuiltByGcc = (folder) =>
  readdirSync(join(folder, 'CMakeFiles')).some((name) => {
    const facts = join(folder, 'CMakeFiles', name, 'CMakeCXXCompiler.cmake')
    return existsSync(facts) && readFileSync(facts, 'utf8').includes('COMPILER_ID "GNU"')
  })

/**
 * Measures every folder.
 *
 * @returns one line per folder.
 * @throws Failure where a folder is below a bar, with the lines that no test reaches.
 */
export function coverage() {
  const debug = join(ROOT, 'build', 'debug')
  if (!existsSync(join(debug, 'core', 'leader'))) {
    throw new Failure('Nothing was counted yet.', 'run the layer debug before, or with it.')
  }
  // Clang has other counters, which this does not read.
  if (!isBuiltByGcc(debug)) return 'not measured: the preset debug is not built by g++'
  const measured = COVERED_FOLDERS.map(measure)
  const shown = measured.map(
    ({ folder, lines, branches }) =>
      `core/${folder}: ${lines.toFixed(1)} % of lines, ${branches.toFixed(1)} % of branches`,
  )
  const below = measured.filter(
    ({ lines, branches }) => lines < COVERAGE_BARS.lines || branches < COVERAGE_BARS.branches,
  )
  if (below.length > 0) {
    throw new Failure(
      `Tests reach too little of ${below.map(({ folder }) => `core/${folder}`).join(', ')}.`,
      `test what is missing; the bars, in percent, are ${JSON.stringify(COVERAGE_BARS)}.`,
      [...shown, ...below.flatMap(({ missed }) => missed)].join('\n'),
    )
  }
  return shown.join('\n')
}

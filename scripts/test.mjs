/**
 * `npm test`: installs whatever is missing, then runs every check there is, layer by layer, the
 * quickest first. It stops at the first layer that fails, unless --keep-going.
 *
 * The last line is `N passed, M failed`: the tests that GoogleTest, Vitest and Playwright report to
 * have run. A layer of tests that reports none fails.
 *
 * Options: --only <layer>[,<layer>...], --keep-going, --list.
 */

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkTable, reportOf } from './browser-table.mjs'
import { build, buildEngine } from './build.mjs'
import { buildVfsSuite } from './build-vfs-suite.mjs'
import { clearCoverage, coverage } from './coverage.mjs'
import { cmakeBuild, cmakeConfigure } from './lib/cmake.mjs'
import { ROOT } from './lib/paths.mjs'
import { run } from './lib/process.mjs'
import { Failure, main, Steps, seconds } from './lib/terminal.mjs'
import { findChromium, findFirefox, llvmTool } from './lib/tools.mjs'
import { checkTarball } from './package-check.mjs'
import { setup } from './setup.mjs'

const bin = (name) => join(ROOT, 'node_modules', '.bin', name)
const REPORTS = join(ROOT, 'build', 'reports')

function filesUnder(folder, matches) {
  if (!existsSync(folder)) return []
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) return filesUnder(path, matches)
    return matches.test(name) ? [path] : []
  })
}
const cppFiles = (matches) =>
  ['core', 'wasm'].flatMap((part) => filesUnder(join(ROOT, part), matches))

/** Checks of .clang-tidy that say more about a test's brevity than about bugs. */
const NOT_IN_TESTS =
  '-clang-analyzer-*,-performance-*,-bugprone-implicit-widening-of-multiplication-result'

/** @throws Failure when a runner reports that nothing ran: such a layer would prove nothing. */
function counted(passed, failed, name) {
  if (passed + failed === 0) {
    throw new Failure(`The layer ${name} ran no test.`, 'look at its log in build/logs.')
  }
  return { passed, failed }
}

async function tidy(tell) {
  await run(process.execPath, ['.ci/tidy.mjs'], {
    log: 'tidy',
    what: 'The style test found violations',
    fix: 'mend the lines above; the rules are in .ci/tidy.mjs.',
    tell,
  })
}

async function format(tell) {
  const clangFormat = llvmTool('clang-format')
  await run(clangFormat, ['--dry-run', '-Werror', ...cppFiles(/\.(h|cc)$/)], {
    log: 'clang-format',
    what: 'C++ files are not formatted',
    fix: 'run `npm run format`.',
    tell,
  })
  await run(bin('biome'), ['format', '.'], {
    log: 'biome-format',
    what: 'Files are not formatted',
    fix: 'run `npm run format`.',
    tell,
  })
}

async function lint(tell) {
  await run(bin('biome'), ['lint', '--error-on-warnings', '.'], {
    log: 'biome-lint',
    what: 'Biome found problems',
    fix: 'mend the lines above.',
    tell,
  })
}

async function types(tell) {
  for (const project of ['tsconfig.json', 'tsconfig.worker.json']) {
    await run(bin('tsc'), ['-p', project], {
      log: project.replace('.json', ''),
      what: 'The type check failed',
      fix: 'mend the type errors above.',
      tell,
    })
  }
}

/** Builds a native preset and runs its GoogleTest programs. */
async function native(preset, tell) {
  await cmakeBuild(preset, { tell })
  if (preset === 'debug') clearCoverage()
  const reports = join(REPORTS, preset)
  rmSync(reports, { recursive: true, force: true })
  mkdirSync(reports, { recursive: true })
  let failure
  try {
    await run('ctest', ['--preset', preset, '-j', String(availableParallelism())], {
      log: `${preset}-ctest`,
      what: `Tests of the preset ${preset} failed`,
      fix: `mend them; run one with build/${preset}/core/<folder>/core_<folder>_test.`,
      env: { GTEST_OUTPUT: `json:${reports}/`, UBSAN_OPTIONS: 'print_stacktrace=1' },
      tell,
    })
  } catch (error) {
    failure = error
  }
  let passed = 0
  let failed = 0
  for (const file of filesUnder(reports, /\.json$/)) {
    const { testsuites } = JSON.parse(readFileSync(file, 'utf8'))
    for (const test of testsuites.flatMap((suite) => suite.testsuite)) {
      if (test.result !== 'COMPLETED') continue
      if (test.failures === undefined) passed += 1
      else failed += 1
    }
  }
  if (failure !== undefined) throw Object.assign(failure, { passed, failed: Math.max(failed, 1) })
  return counted(passed, failed, preset)
}

/** What the tests of the preset debug, which must have run, reach of the sync engine. */
async function reach() {
  return coverage()
}

/** Seeds that the simulator runs, and how many: about three minutes on two cores. */
const SIM_SEEDS = 6000

/** The first seed: of the commit, or 1 where the sources are no working copy of git's. */
function simStart() {
  try {
    const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' })
    return Number.parseInt(commit.slice(0, 8), 16)
  } catch {
    return 1
  }
}

/**
 * The simulator from a seed that changes with each commit, so that every run looks somewhere new
 * and a failure can be looked at again: it names the command that replays it. Recorded seeds are
 * part of core_sim_test.
 */
async function sim(tell) {
  await cmakeBuild('release', { tell, target: 'core_sim' })
  const start = simStart()
  const program = join(ROOT, 'build', 'release', 'core', 'sim', 'core_sim')
  const jobs = String(availableParallelism())
  const args = ['--seeds', String(SIM_SEEDS), '--start', String(start), '--jobs', jobs]
  await run(program, args, {
    log: 'sim',
    what: 'The simulator broke a law',
    fix: `replay it as build/logs/sim.log says (core/sim/README.md); the seeds began at ${start}.`,
    tell,
  })
  return `${SIM_SEEDS} seeds from ${start}`
}

/**
 * Each fuzzer from its fixed seed and the inputs of core/fuzz/corpus, for a number of runs that
 * takes seconds: the same every time, so that a failure is the change's. Longer runs are made by
 * hand with the same programs.
 */
async function fuzz(tell) {
  await cmakeBuild('fuzz', { tell })
  const folder = join(ROOT, 'build', 'fuzz', 'core', 'fuzz')
  const programs = filesUnder(folder, /_fuzz$/)
  const artifacts = join(ROOT, 'build', 'reports', 'fuzz-')
  for (const program of programs) {
    const name = relative(folder, program)
    tell(name)
    const runs = name.startsWith('eventlog_file') ? 4000 : 30000 // Opening a database is slow.
    const limits = ['-seed=1', `-runs=${runs}`, '-max_len=1000', '-timeout=10']
    // What it finds goes into the first folder, which begins empty; the second is only read.
    const found = join(ROOT, 'build', 'fuzz-found', name)
    rmSync(found, { recursive: true, force: true })
    mkdirSync(found, { recursive: true })
    const corpus = join(ROOT, 'core', 'fuzz', 'corpus', name.replace(/_fuzz$/, ''))
    await run(program, [...limits, `-artifact_prefix=${artifacts}`, found, corpus], {
      log: name,
      what: `${name} broke`,
      fix: `mend what it names; run it on the input it wrote to build/reports.`,
    })
  }
  return counted(programs.length, 0, 'fuzz')
}

/**
 * clang-tidy on every source, as the asan preset compiles it (by clang, where there is one). A
 * source that passed is not checked again until it, a header or the configuration changes.
 */
async function clangTidy(tell) {
  await cmakeConfigure('asan', { tell })
  const database = join(ROOT, 'build', 'asan', 'compile_commands.json')
  const commands = JSON.parse(readFileSync(database, 'utf8'))
  const sources = commands
    .map(({ file }) => file)
    .filter((file) => file.startsWith(join(ROOT, 'core')))
  const common = createHash('sha256')
  const shared = [...cppFiles(/\.(h|def)$/), join(ROOT, '.clang-tidy'), database]
  for (const file of shared.sort()) common.update(readFileSync(file))
  const salt = common.digest('hex')
  const passed = join(ROOT, 'build', 'clang-tidy')
  mkdirSync(passed, { recursive: true })
  const open = sources
    .filter((file) => file.endsWith('.cc'))
    .map((file) => {
      const hash = createHash('sha256').update(salt).update(readFileSync(file)).digest('hex')
      return { file, stamp: join(passed, hash) }
    })
    .filter(({ stamp }) => !existsSync(stamp))
  const total = open.length
  const failures = []
  const work = async () => {
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const name = relative(ROOT, next.file)
      tell(`${total - open.length}/${total} ${name}`)
      try {
        // In a test the path-sensitive analyzer follows GoogleTest's macros, for a minute a file.
        const checks = name.endsWith('_test.cc') ? [`--checks=${NOT_IN_TESTS}`] : []
        const args = ['--quiet', '-p', join(ROOT, 'build', 'asan'), ...checks, name]
        await run(llvmTool('clang-tidy'), args, {
          log: `clang-tidy-${name.replaceAll('/', '-')}`,
          what: `clang-tidy found problems in ${name}`,
          fix: 'mend the lines above.',
        })
        writeFileSync(next.stamp, name)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  if (failures.length > 0) {
    const detail = failures.map((failure) => failure.detail).join('\n')
    throw new Failure(failures.map(({ message }) => message).join('\n'), failures[0].fix, detail)
  }
  return `${total} of ${sources.length} sources looked at`
}

async function node(tell) {
  await buildEngine(tell)
  const report = join(REPORTS, 'vitest.json')
  rmSync(report, { force: true })
  let failure
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    await run(bin('vitest'), ['run', ...reporters], {
      log: 'vitest',
      what: 'Node tests failed',
      fix: 'mend them; run one with `npx vitest run <file>`.',
      env: { NO_COLOR: '1' },
      tell,
    })
  } catch (error) {
    failure = error
  }
  const result = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {}
  const passed = result.numPassedTests ?? 0
  const failed = result.numFailedTests ?? 0
  if (failure !== undefined) throw Object.assign(failure, { passed, failed: Math.max(failed, 1) })
  return counted(passed, failed, 'node')
}

async function packageLayer(tell) {
  await build({ quiet: true })
  return checkTarball(tell)
}

/** The browser tests in one browser, as e2e/playwright.config.ts names it. */
async function browser(project, tell) {
  await build({ quiet: true })
  await buildVfsSuite(tell)
  const report = reportOf(project)
  rmSync(report, { force: true })
  let failure
  try {
    const config = join('e2e', 'playwright.config.ts')
    const args = ['test', '-c', config, `--project=${project}`, '--reporter=list,json']
    await run(bin('playwright'), args, {
      log: `playwright-${project}`,
      what: `Browser tests failed in ${project}`,
      fix: `mend them; run one with \`npx playwright test -c e2e --project=${project} <name>\`.`,
      env: {
        NO_COLOR: '1',
        PLAYWRIGHT_JSON_OUTPUT_FILE: report,
        CHROMIUM: findChromium() ?? '',
        FIREFOX: findFirefox() ?? '',
      },
      tell,
    })
  } catch (error) {
    failure = error
  }
  const { stats } = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {}
  const passed = (stats?.expected ?? 0) + (stats?.flaky ?? 0)
  const failed = stats?.unexpected ?? 0
  if (failure !== undefined) throw Object.assign(failure, { passed, failed: Math.max(failed, 1) })
  checkTable(project)
  return counted(passed, failed, project)
}

/** Every layer, in order: what it asks, and how. A layer of tests resolves to its counts. */
const LAYERS = [
  { name: 'tidy', title: 'style: layers, names, headers', work: tidy },
  { name: 'format', title: 'format: clang-format, Biome', work: format },
  { name: 'lint', title: 'lint: Biome', work: lint },
  { name: 'types', title: 'types: tsc', work: types },
  { name: 'debug', title: 'core, native', work: (tell) => native('debug', tell) },
  { name: 'coverage', title: 'core, what the tests reach', work: reach },
  { name: 'asan', title: 'core, under ASan and UBSan', work: (tell) => native('asan', tell) },
  { name: 'fuzz', title: 'core, fuzzers from a fixed seed', work: fuzz },
  { name: 'sim', title: 'core, simulator', work: sim },
  { name: 'clang-tidy', title: 'core, clang-tidy', work: clangTidy },
  { name: 'wasm', title: 'wasm build', work: buildEngine },
  { name: 'node', title: 'Node: js, workers, wasm', work: node },
  { name: 'package', title: 'package: build, pack, install', work: packageLayer },
  {
    name: 'browser',
    title: 'browser: package and storage in Chromium',
    work: (tell) => browser('chromium', tell),
  },
  {
    name: 'firefox',
    title: 'browser: package and storage in Firefox',
    work: (tell) => browser('firefox', tell),
  },
]

function readOptions(args) {
  const options = { layers: LAYERS, keepGoing: false, list: false }
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--keep-going') options.keepGoing = true
    else if (args[i] === '--list') options.list = true
    else if (args[i] === '--only' && args[i + 1] !== undefined) {
      const names = args[++i].split(',')
      const unknown = names.find((name) => !LAYERS.some((layer) => layer.name === name))
      if (unknown !== undefined) {
        const known = LAYERS.map((layer) => layer.name).join(', ')
        throw new Failure(`There is no layer ${unknown}.`, `choose of ${known}.`)
      }
      options.layers = LAYERS.filter((layer) => names.includes(layer.name))
    } else {
      throw new Failure(`Unknown option ${args[i]}.`, 'use --only <layer>, --keep-going or --list.')
    }
  }
  return options
}

async function test(args) {
  const options = readOptions(args)
  if (options.list) {
    for (const { name, title } of LAYERS) console.log(`${name.padEnd(12)} ${title}`)
    return
  }
  await setup({ quiet: true })
  mkdirSync(REPORTS, { recursive: true })
  const begin = performance.now()
  const steps = new Steps(options.layers.length)
  const total = { passed: 0, failed: 0 }
  const broken = []
  for (const layer of options.layers) {
    try {
      await steps.run(layer.title, async (tell) => {
        const result = await layer.work(tell)
        if (typeof result !== 'object') return result
        total.passed += result.passed
        total.failed += result.failed
        return `${result.passed} passed`
      })
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      total.passed += error.passed ?? 0
      total.failed += error.failed ?? 1
      broken.push(layer.name)
      console.error(`${error.detail}\n\nError: ${error.message} Fix: ${error.fix}\n`)
      if (!options.keepGoing) break
    }
  }
  const time = seconds(performance.now() - begin)
  if (broken.length > 0) console.log(`\nFailed after ${time}: ${broken.join(', ')}`)
  else console.log(`\nNothing failed in ${time}`)
  console.log(`${total.passed} passed, ${total.failed} failed`)
  if (broken.length > 0) process.exitCode = 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(() => test(process.argv.slice(2)))
}

/**
 * The benchmark: npm `@livestore/*` 0.4.0 and this repository's package, side by side in one run.
 *
 * For every scenario and repetition it takes one sample of either side, the two in turn and the
 * first one alternating, so that whatever else the machine does falls on both. It prints medians
 * and ratios and writes every sample to `.cache/results`. See README.md for the options.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { browserVersion } from './lib/browser.mjs'
import { formatTable, toRows } from './lib/report.mjs'
import { scenarios } from './lib/scenarios.mjs'
import { startServer } from './lib/server.mjs'
import { cacheDirectory, checkTypes, prepareSide, sideNames } from './lib/sides.mjs'
import { formatNumber, median } from './lib/statistics.mjs'

const usage = `Usage: npm run bench -- [options]
  --reps <n>         repetitions of each scenario (default 5)
  --only <list>      only these scenarios, comma separated:
                     ${scenarios.map(({ key }) => key).join(', ')}
  --sides <list>     only these sides, comma separated: ${sideNames.join(', ')} (default both)
  --quick            one small repetition of everything: does it run?
  --check            check the app's types against both sides, measure nothing
  --strict           exit with 1 if a bar is not met
  --help             this text`

const say = (text) => process.stderr.write(`bench: ${text}\n`)

const parseList = (text, known, option) => {
  const chosen = text.split(',').map((item) => item.trim())
  for (const item of chosen) {
    if (!known.includes(item)) {
      throw new Error(`${option} does not know "${item}"; it knows ${known.join(', ')}`)
    }
  }
  return chosen
}

const parseOptions = () => {
  const { values } = parseArgs({
    options: {
      reps: { type: 'string' },
      only: { type: 'string' },
      sides: { type: 'string' },
      quick: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const repetitions = Number(values.reps ?? (values.quick ? 1 : 5))
  if (!Number.isInteger(repetitions) || repetitions < 1 || repetitions > 1000) {
    throw new Error(`--reps must be a whole number from 1 to 1000, not "${values.reps}"`)
  }
  const keys = scenarios.map(({ key }) => key)
  return {
    ...values,
    repetitions,
    only: values.only === undefined ? keys : parseList(values.only, keys, '--only'),
    sides: values.sides === undefined ? sideNames : parseList(values.sides, sideNames, '--sides'),
  }
}

const commitId = () => {
  try {
    const cwd = dirname(fileURLToPath(import.meta.url))
    const stdio = ['ignore', 'pipe', 'ignore']
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd, stdio, encoding: 'utf8' }).trim()
  } catch {
    return undefined // A source archive without its history.
  }
}

const summary = (metrics) =>
  Object.entries(metrics)
    .map(([name, value]) => `${name} ${formatNumber(Array.isArray(value) ? median(value) : value)}`)
    .join(', ')

// One scenario on all sides. A side that fails is reported and does not keep the others from being
// measured.
const measure = async (scenario, sides, options, failures) => {
  const samples = Object.fromEntries(sides.map((side) => [side.name, []]))
  const repetitions = Math.min(options.repetitions, scenario.repetitionsMax ?? options.repetitions)
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    const order = repetition % 2 === 0 ? sides : sides.toReversed()
    for (const side of order) {
      if (failures.some(({ key, name }) => key === scenario.key && name === side.name)) continue
      const label = `${scenario.key} ${repetition + 1}/${repetitions} ${side.name}`
      try {
        const sample = await scenario.sample({ quick: options.quick, say })(side)
        samples[side.name].push(sample)
        say(`${label}: ${summary(sample.metrics)}`)
      } catch (error) {
        failures.push({ key: scenario.key, name: side.name, message: error.message })
        say(`${label} FAILED: ${error.message}`)
      }
    }
  }
  return { scenario, samples }
}

const printLoad = (results) => {
  const others = results.flatMap(({ samples }) =>
    Object.values(samples).flatMap((list) => list.flatMap((sample) => sample.others ?? [])),
  )
  if (others.length === 0) return
  const percent = Math.round(median(others) * 100)
  process.stdout.write(
    `\nOther processes used ${percent} % of the machine (median over the samples).\n`,
  )
}

const save = (results, rows, sides, options, failures) => {
  const directory = join(cacheDirectory, 'results')
  mkdirSync(directory, { recursive: true })
  const date = new Date().toISOString()
  const file = join(directory, `${date.replaceAll(/[:.]/g, '-')}.json`)
  const content = {
    date,
    commit: commitId(),
    quick: options.quick,
    versions: Object.fromEntries(sides.map(({ name, version }) => [name, version])),
    node: process.version,
    browser: browserVersion(),
    machine: {
      cores: availableParallelism(),
      model: cpus()[0]?.model,
      memoryMB: Math.round(totalmem() / 1e6),
    },
    rows,
    failures,
    samples: results.map(({ scenario, samples }) => ({ key: scenario.key, samples })),
  }
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`)
  return file
}

const main = async () => {
  const options = parseOptions()
  if (options.help) {
    process.stdout.write(`${usage}\n`)
    return
  }
  const sides = []
  for (const name of options.sides) sides.push(await prepareSide(name, say))
  if (options.check) {
    for (const { name } of sides) checkTypes(name)
    say(`the types of the app fit ${options.sides.join(' and ')}`)
    return
  }
  for (const side of sides) side.server = await startServer(side.distDirectory)
  const failures = []
  const results = []
  try {
    for (const scenario of scenarios) {
      if (!options.only.includes(scenario.key)) continue
      results.push(await measure(scenario, sides, options, failures))
    }
  } finally {
    for (const side of sides) await side.server.close()
  }
  const rows = toRows(results)
  process.stdout.write(`\n${formatTable(rows)}\n`)
  printLoad(results)
  if (options.quick) {
    process.stdout.write(
      'A quick run has too few samples, and 1,000 events to boot from, to judge the bars.\n',
    )
  }
  for (const { key, name, message } of failures) {
    process.stdout.write(`FAILED: ${key} on ${name}: ${message}\n`)
  }
  process.stdout.write(`Every sample: ${save(results, rows, sides, options, failures)}\n`)
  const missed = rows.some(({ bar, met }) => bar !== '' && met !== true)
  if (failures.length > 0 || (options.strict && missed)) process.exitCode = 1
}

main().catch((error) => {
  say(error.message)
  process.exitCode = 1
})

/**
 * Installs what is missing to build and test: Debian packages, npm packages, Emscripten.
 *
 * `npm run setup` installs everything; `npm start` and `npm run build` ask only for what a build
 * needs. It looks first, says what it will do, and does nothing when nothing is missing. It never
 * upgrades or removes a package of the host. On other systems than Debian it installs npm packages
 * and names the rest.
 *
 * Options: --quiet (print nothing unless something is missing), --build (only what a build needs).
 */

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run, which } from './lib/process.mjs'
import { Failure, main, Steps } from './lib/terminal.mjs'
import {
  checkNode,
  EMSCRIPTEN_MIN,
  emscriptenPrefix,
  findEmscripten,
  MACHINE,
  nodeModulesFit,
} from './lib/tools.mjs'

const AGAIN = 'and run the command again.'

/** How apt and npm say that there is no network. */
const NO_NETWORK = [
  /Temporary failure resolving|Could not resolve|Failed to fetch|Could not connect/,
  /Network is unreachable|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT/,
]
const explainNetwork = (output) =>
  NO_NETWORK.some((sign) => sign.test(output))
    ? `there is no network, or no way to the package mirror: connect this machine ${AGAIN}`
    : undefined

function isDebian() {
  if (!existsSync('/etc/os-release')) return false
  return /^ID=debian$/m.test(readFileSync('/etc/os-release', 'utf8'))
}

/** `command` as root: as it is for root, else through sudo. @throws Failure without either. */
function asRoot(command) {
  if (process.getuid?.() === 0) return command
  if (which('sudo') !== undefined) return ['sudo', ...command]
  throw new Failure(
    'Installing Debian packages needs root, and there is no sudo here.',
    `as root run \`${command.join(' ')}\`, ${AGAIN}`,
  )
}

async function installDebianPackages(packages, tell) {
  const steps = [
    ['apt-get', 'update', '-q'],
    ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', 'install', '-y', '-q']
      .concat('--no-install-recommends')
      .concat(packages),
  ]
  for (const [index, step] of steps.entries()) {
    const [command, ...args] = asRoot(step)
    await run(command, args, {
      log: `setup-apt-${index + 1}`,
      what: 'Debian packages could not be installed',
      fix: `run \`apt-get install ${packages.join(' ')}\` as root to see why, ${AGAIN}`,
      explain: explainNetwork,
      tell,
    })
  }
}

async function installNodeModules(tell) {
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=http'], {
    log: 'setup-npm',
    what: 'npm packages could not be installed',
    fix: `run \`npm ci\` to see why, ${AGAIN}`,
    explain: explainNetwork,
    tell,
  })
}

async function installEmscripten(tell) {
  await run('bash', ['scripts/setup-emscripten.sh', emscriptenPrefix(), EMSCRIPTEN_MIN], {
    log: 'setup-emscripten',
    what: 'Emscripten could not be installed',
    fix: `install emsdk (${EMSCRIPTEN_MIN} or newer), put its emcc on PATH, ${AGAIN}`,
    explain: explainNetwork,
    tell,
  })
  if (findEmscripten() === undefined) {
    throw new Failure(
      `Emscripten was installed, but there is no emcc ${EMSCRIPTEN_MIN} or newer.`,
      `install emsdk, put its emcc on PATH, ${AGAIN}`,
    )
  }
}

/**
 * Makes everything available. `scope` 'build' leaves out what only tests need.
 *
 * @throws Failure naming what is missing and how to get it.
 */
export async function setup({ scope = 'all', quiet = false } = {}) {
  const begin = performance.now()
  checkNode()
  const needed = MACHINE.filter((tool) => scope === 'all' || tool.build)
  const missing = needed.filter((tool) => !tool.present())
  const emscripten = findEmscripten()
  const debian = isDebian()
  if (!debian && (missing.length > 0 || emscripten === undefined)) {
    const names = missing.map((tool) => tool.name)
    if (emscripten === undefined) names.push(`emsdk ${EMSCRIPTEN_MIN} or newer (emcc on PATH)`)
    throw new Failure(
      `This is not Debian, so nothing can be installed for you. Missing: ${names.join(', ')}.`,
      `install these with this system's package manager ${AGAIN}`,
    )
  }

  const plan = []
  if (missing.length > 0) {
    const packages = missing.flatMap((tool) => tool.apt)
    plan.push([
      `Debian packages: ${packages.join(' ')}`,
      (tell) => installDebianPackages(packages, tell),
    ])
  }
  if (!nodeModulesFit()) plan.push(['npm packages', installNodeModules])
  if (emscripten === undefined) {
    plan.push([`Emscripten (about a minute, into ${emscriptenPrefix()})`, installEmscripten])
  }
  if (plan.length === 0) {
    if (!quiet)
      console.log(`Everything is installed (${Math.round(performance.now() - begin)} ms).`)
    return
  }
  const steps = new Steps(plan.length)
  console.log(`Installing what is missing, ${plan.length} ${plan.length === 1 ? 'step' : 'steps'}:`)
  for (const [title, work] of plan) await steps.run(title, work)
  const still = needed.find((tool) => !tool.present())
  if (still !== undefined) {
    throw new Failure(
      `${still.name} is still missing after installing ${still.apt.join(' ')}.`,
      `install ${still.name} ${AGAIN}`,
    )
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const options = process.argv.slice(2)
  const unknown = options.find((option) => !['--quiet', '--build'].includes(option))
  await main(async () => {
    if (unknown !== undefined) {
      throw new Failure(`Unknown option ${unknown}.`, 'use --quiet, --build, or none.')
    }
    await setup({
      scope: options.includes('--build') ? 'build' : 'all',
      quiet: options.includes('--quiet'),
    })
  })
}

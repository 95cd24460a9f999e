/**
 * What the build and the tests need from the machine, and how to tell whether it is there.
 *
 * Looking must be quick, because every `npm start` and `npm test` looks: files are looked at, and
 * no tool is started unless its version decides.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { ROOT } from './paths.mjs'
import { which } from './process.mjs'
import { Failure } from './terminal.mjs'

/** The oldest Emscripten whose flags and output are tested. */
export const EMSCRIPTEN_MIN = '3.1.69'
/** Other versions of clang-format format otherwise, and of clang-tidy check otherwise. */
export const LLVM_VERSION = 19

const compare = (a, b) => {
  const left = a.split('.').map(Number)
  const right = b.split('.').map(Number)
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** @throws Failure when this node is older than package.json's `engines` asks for. */
export function checkNode(version = process.versions.node) {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const fits = engines.node.split('||').some((range) => {
    const [, operator, least] = /^\s*(\^|>=)([\d.]+)\s*$/.exec(range) ?? []
    if (least === undefined) throw new Error(`engines.node has an unknown form: ${range}`)
    const sameMajor = version.split('.')[0] === least.split('.')[0]
    return compare(version, least) >= 0 && (operator === '>=' || sameMajor)
  })
  if (!fits) {
    throw new Failure(
      `Node ${version} does not fit (needed: ${engines.node}).`,
      'install Node 20.19 or newer (22 and 24 work too) and run the command again.',
    )
  }
}

/** The first line of `command --version`, or an empty string. */
function versionLine(command, args = ['--version']) {
  try {
    const stdio = ['ignore', 'pipe', 'ignore']
    return execFileSync(command, args, { encoding: 'utf8', stdio }).split('\n')[0] ?? ''
  } catch {
    return ''
  }
}

const versionIn = (text) => /(\d+\.\d+(\.\d+)?)/.exec(text)?.[1]

/** The private folder that scripts/setup-emscripten.sh installs into. */
export function emscriptenPrefix() {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const channel = process.env.EMSCRIPTEN_CHANNEL || 'stable'
  return join(cache, 'livestore-wasm', `emscripten-${channel}`)
}

/**
 * The Emscripten to build with: one on PATH that is new enough, else the private prefix. A set
 * EMSCRIPTEN_CHANNEL asks for the prefix of that channel.
 *
 * @returns {{ root: string, version: string } | undefined} `root` is the folder of emcc.
 */
export function findEmscripten() {
  if (!process.env.EMSCRIPTEN_CHANNEL) {
    const emcc = which('emcc')
    if (emcc !== undefined) {
      const found = emscriptenAt(dirname(realpathSync(emcc))) ?? emscriptenByConfig(emcc)
      if (found !== undefined && compare(found.version, EMSCRIPTEN_MIN) >= 0) return found
    }
  }
  const prefix = emscriptenPrefix()
  return existsSync(join(prefix, '.complete')) ? emscriptenAt(join(prefix, 'em')) : undefined
}

function emscriptenAt(root) {
  const file = join(root, 'emscripten-version.txt')
  if (!existsSync(file)) return undefined
  const version = versionIn(readFileSync(file, 'utf8'))
  return version === undefined ? undefined : { root, version }
}

/** For an emcc that is a wrapper script elsewhere, as some package managers make it. */
function emscriptenByConfig(emcc) {
  const config = join(dirname(emcc), 'em-config')
  if (!existsSync(config)) return undefined
  const root = versionLine(config, ['EMSCRIPTEN_ROOT'])
  return root === '' ? undefined : emscriptenAt(root)
}

/** What every CMake call for wasm needs in its environment. @throws Failure without Emscripten. */
export function emscriptenEnv() {
  const found = findEmscripten()
  if (found === undefined) {
    throw new Failure(
      `No Emscripten ${EMSCRIPTEN_MIN} or newer was found.`,
      'run `npm run setup`, or put emcc of the emsdk on PATH.',
    )
  }
  const env = { LS_EMSCRIPTEN_ROOT: found.root }
  // A pyenv shim in front of python would cost half a second at every start of emcc.
  if (!process.env.EMSDK_PYTHON && existsSync('/usr/bin/python3')) {
    env.EMSDK_PYTHON = '/usr/bin/python3'
  }
  return env
}

/** An LLVM tool of the pinned version: `clang-format-19`, or `clang-format` if that is 19. */
export function llvmTool(name) {
  const pinned = which(`${name}-${LLVM_VERSION}`)
  if (pinned !== undefined) return pinned
  for (const candidate of [which(name), `/opt/homebrew/opt/llvm@${LLVM_VERSION}/bin/${name}`]) {
    if (candidate === undefined || !existsSync(candidate)) continue
    if (/version (\d+)/.exec(versionLine(candidate))?.[1] === String(LLVM_VERSION)) return candidate
  }
  return undefined
}

/** The Chromium the browser tests drive. CHROMIUM names another one. */
export function findChromium() {
  const macos = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
  const candidates = [process.env.CHROMIUM, ...names.map((name) => which(name)), macos]
  return candidates.find((path) => path !== undefined && path !== '' && existsSync(path))
}

/** The Firefox the browser tests drive: the newest ESR. FIREFOX names another one. */
export function findFirefox() {
  const macos = '/Applications/Firefox.app/Contents/MacOS/firefox'
  const candidates = [process.env.FIREFOX, which('firefox-esr'), which('firefox'), macos]
  return candidates.find((path) => path !== undefined && path !== '' && existsSync(path))
}

const headerRoots = ['/usr/include', '/usr/local/include', '/opt/homebrew/include']
const hasHeader = (path) => headerRoots.some((root) => existsSync(join(root, path)))

/** A compiler of our own C++23: g++ 12 or clang++ 19. */
function hasCompiler() {
  const gxx = which('g++')
  if (gxx !== undefined && Number.parseInt(versionLine(gxx, ['-dumpversion']), 10) >= 12)
    return true
  return which(`clang++-${LLVM_VERSION}`) !== undefined || which('clang++') !== undefined
}

function hasCmake() {
  const version = versionIn(versionLine('cmake'))
  return version !== undefined && compare(version, '3.22.0') >= 0
}

const clangRuntime = `/usr/lib/llvm-${LLVM_VERSION}/lib/clang/${LLVM_VERSION}/lib/linux`

/** Debian keeps the programs of PostgreSQL off the PATH, by version. */
function hasPostgres() {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian) : []
  return (
    which('initdb') !== undefined ||
    versions.some((version) => existsSync(join(debian, version, 'bin', 'initdb')))
  )
}

/**
 * What has to be on the machine beside node, npm packages and Emscripten. `apt` are Debian's names;
 * elsewhere the person is told `name`. `build` is needed to build the package, the rest for tests.
 */
export const MACHINE = [
  { name: 'CMake 3.22', build: true, apt: ['cmake'], present: hasCmake },
  { name: 'Ninja', build: true, apt: ['ninja-build'], present: () => which('ninja') },
  { name: 'Python 3', build: true, apt: ['python3'], present: () => which('python3') },
  {
    name: 'nlohmann/json headers',
    build: true,
    apt: ['nlohmann-json3-dev'],
    present: () => hasHeader('nlohmann/json.hpp'),
  },
  { name: 'a C++23 compiler (g++ 12, clang 19)', apt: ['g++'], present: hasCompiler },
  {
    name: 'GoogleTest and GoogleMock',
    apt: ['libgtest-dev', 'libgmock-dev'],
    present: () => hasHeader('gtest/gtest.h') && hasHeader('gmock/gmock.h'),
  },
  {
    name: 'Google Benchmark',
    apt: ['libbenchmark-dev'],
    present: () => hasHeader('benchmark/benchmark.h'),
  },
  {
    name: `clang ${LLVM_VERSION} with its sanitizers`,
    apt: [`clang-${LLVM_VERSION}`, `libclang-rt-${LLVM_VERSION}-dev`],
    present: () =>
      llvmTool('clang++') && (process.platform !== 'linux' || existsSync(clangRuntime)),
  },
  {
    name: `clang-format ${LLVM_VERSION}`,
    apt: [`clang-format-${LLVM_VERSION}`],
    present: () => llvmTool('clang-format'),
  },
  {
    name: `clang-tidy ${LLVM_VERSION}`,
    apt: [`clang-tidy-${LLVM_VERSION}`],
    present: () => llvmTool('clang-tidy'),
  },
  { name: 'Chromium', apt: ['chromium'], present: findChromium },
  { name: 'Firefox', apt: ['firefox-esr'], present: findFirefox },
  { name: 'ps', apt: ['procps'], present: () => which('ps') },
  { name: 'PostgreSQL', apt: ['postgresql'], present: hasPostgres },
]

/** True when node_modules holds what package-lock.json says. */
export function nodeModulesFit() {
  const installedFile = join(ROOT, 'node_modules', '.package-lock.json')
  if (!existsSync(installedFile)) return false
  const locked = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages
  return Object.entries(locked).every(([path, entry]) => {
    if (path === '') return true
    const there = installed[path]
    // Optional packages are for other platforms, or are there and then must fit as well.
    if (there === undefined) return entry.optional === true
    return there.version === entry.version && there.integrity === entry.integrity
  })
}

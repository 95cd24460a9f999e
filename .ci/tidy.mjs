/**
 * The style test: what a machine can check of our style, on every file of the repository.
 *
 * It holds the one table of who may include whom. Formatting belongs to clang-format and Biome, and
 * bugs to clang-tidy and tsc; here is what they do not know: layers, names, header comments, the
 * hand-written source lists of CMake, and text that must not be in the repository.
 *
 * Run as a script it checks the repository; `check` is pure, and tidy.test.mjs plants a violation
 * of every rule.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Folders of core: what each may include. What is not here is forbidden. */
export const CORE_INCLUDES = {
  base: [],
  event: ['base'],
  sqlite: ['base'],
  // Never SQLite: rebase is pure.
  sync: ['base', 'event'],
  eventlog: ['base', 'event', 'sqlite'],
  state: ['base', 'event', 'sqlite'],
  // Never event or sync: it sees tables, not events.
  reactive: ['base', 'sqlite'],
  session: ['base', 'event', 'sqlite', 'state', 'sync', 'reactive'],
  leader: ['base', 'event', 'sqlite', 'eventlog', 'state', 'sync'],
  // SQLite for the storage only: it puts a pool and its VFS under a leader.
  api: ['base', 'event', 'sqlite', 'session', 'leader'],
}
/** Folders of core that nothing includes and that include anything in core. */
const CORE_ON_TOP = ['sim', 'fuzz', 'bench']
/** What tests share: apps and doubles in C++. No code that ships includes it. */
const CORE_TESTING = { testing: ['base', 'event', 'sqlite', 'eventlog', 'state', 'sync', 'leader'] }

/** What wasm includes of core: whole folders, and the interfaces that JavaScript implements. */
const WASM_INCLUDES = ['core/api/', 'core/base/', 'core/event/', 'wasm/']
const WASM_INCLUDES_FILES = [
  'core/state/materializer.h',
  'core/sync/sync_backend.h',
  'core/sqlite/storage_pool.h',
  'core/sqlite/vfs_environment.h',
]
/** The database of the sync server is SQLite without the engine. */
const WASM_INCLUDES_SERVER = ['core/sqlite/database.h', 'core/sqlite/pool_vfs.h']
/** And what its tests do: the suite that native tests run over memory. */
const WASM_INCLUDES_TESTS = ['core/sqlite/vfs_conformance.h']

/** Libraries by the first part of their include, and the only places that may use them. */
const LIBRARY_INCLUDES = [
  {
    name: 'SQLite',
    match: /^sqlite3/,
    places: ['core/sqlite/', 'core/third_party/', 'wasm/libc/'],
  },
  { name: 'Emscripten', match: /^emscripten/, places: ['wasm/'] },
  {
    name: 'nlohmann/json',
    match: /^nlohmann\//,
    places: ['core/base/', 'core/testing/', 'core/sim/'],
    tests: true,
  },
  { name: 'GoogleTest', match: /^(gtest|gmock)\//, places: ['core/testing/'], tests: true },
  { name: 'Google Benchmark', match: /^benchmark\//, places: ['core/bench/'] },
  {
    name: 'clock, thread, file or socket',
    match: /^(chrono|ctime|time\.h|thread|mutex|iostream|fstream|filesystem|random|sys\/.*)$/,
    places: ['core/bench/', 'core/fuzz/', 'core/sim/', 'wasm/'],
    tests: true,
  },
]

/**
 * TypeScript: what a file may import of ours, and which packages, by the longest prefix that fits
 * its path. Tests may import anything but e2e.
 */
export const TS_IMPORTS = [
  // A port is one of env's slices of the browser; beyond that the protocol knows nothing of ours.
  { part: 'js/src/protocol/', ours: ['js/src/protocol/', 'js/src/env.ts'], packages: [] },
  { part: 'js/src/env.ts', ours: [], packages: [] },
  // The only TypeScript that touches the module.
  {
    part: 'js/src/wasm/',
    ours: ['js/src/wasm/', 'js/src/errors.ts', 'wasm/types/', 'build/wasm-release/wasm/'],
    packages: ['node:'],
  },
  { part: 'js/src/react/', ours: ['js/src/'], packages: ['react'] },
  // Moves frames for the leader: knows the backend interface, and neither engine nor store.
  {
    part: 'js/src/sync-cf/',
    ours: ['js/src/sync-cf/', 'js/src/sync/backend.ts', 'js/src/env.ts', 'js/src/errors.ts'],
    packages: [],
  },
  {
    part: 'js/src/testing/',
    ours: ['js/src/testing/', 'js/src/sync/backend.ts'],
    packages: [],
  },
  { part: 'js/src/solid/', ours: ['js/src/'], packages: ['solid-js'] },
  { part: 'js/src/svelte/', ours: ['js/src/'], packages: ['svelte'] },
  { part: 'js/src/vue/', ours: ['js/src/'], packages: ['vue'] },
  { part: 'js/src/otel/', ours: ['js/src/'], packages: ['@opentelemetry/api'] },
  { part: 'js/src/effect/', ours: ['js/src/'], packages: ['effect'] },
  // What decides runs on Node and on Cloudflare; sockets and storages have rooms of their own.
  { part: 'js/src/sync-server/', ours: ['js/src/sync', 'js/src/errors.ts'], packages: [] },
  { part: 'js/src/sync-cf/wire/', ours: ['js/src/sync-cf/wire/'], packages: [] },
  { part: 'js/src/sync-cf/cf-worker/', ours: ['js/src/sync'], packages: [] },
  { part: 'js/src/sync-server/node/', ours: ['js/src/sync'], packages: ['node:', 'ws'] },
  {
    part: 'js/src/sync-server/sqlite/',
    ours: ['js/src/sync-server/', 'js/src/wasm/'],
    packages: ['node:'],
  },
  { part: 'js/src/sync-server/postgres/', ours: ['js/src/sync-server/'], packages: ['pg'] },
  { part: 'js/', ours: ['js/src/'], packages: ['nanoid', '@preact/signals-core'] },
  // The schema is here because materializers and event codecs are resolved in the worker; the
  // leader's message loop and its syncing are shared with the in-memory adapter, which runs them on
  // the page.
  {
    part: 'worker/',
    ours: [
      'worker/',
      'js/src/wasm/',
      'js/src/protocol/',
      'js/src/env.ts',
      'js/src/errors.ts',
      'js/src/schema/',
      'js/src/leader/',
      'js/src/sync/',
    ],
    packages: [],
  },
  // Never wasm.
  {
    part: 'shared-worker/',
    ours: ['shared-worker/', 'js/src/protocol/', 'js/src/env.ts'],
    packages: [],
  },
  { part: 'devtools/', ours: ['devtools/', 'js/src/protocol/'], packages: ['vite', 'node:'] },
  { part: 'wasm/', ours: ['wasm/'], packages: [] },
]

const LINE_MAX = 100
const FILE_BYTES_MAX = 1_000_000

// Written in pieces, because this file is checked too.
const FORBIDDEN_TEXT = [
  { match: new RegExp(['regis', 'try\\.(npmjs|yarnpkg)'].join('')), what: 'a registry host' },
  { match: new RegExp(['deb', '\\.debian\\.org'].join('')), what: 'a package mirror' },
  {
    match: new RegExp(['(^|[\\s"\'`(=])/(work|ro', 'ot|home|Users)/[\\w.]'].join('')),
    what: 'a machine path',
  },
  { match: new RegExp(['/tm', 'p/\\w'].join('')), what: 'a machine path' },
  { match: new RegExp(['\\.\\./sha', 'red/'].join('')), what: 'a path outside of the repository' },
  { match: new RegExp(['\\b(FIX', 'ME|XX', 'X|HA', 'CK)\\b'].join('')), what: 'a leftover marker' },
  {
    match: new RegExp(['\\bTO', 'DO\\b(?!\\((perf|later|port)\\): )'].join('')),
    what: 'a marker without a kind',
  },
]

const isTest = (path) => /(_test\.cc|\.(test|test-d|fixture|spec)\.(tsx?|mjs))$/.test(path)
const isTestHelp = (path) => isTest(path) || /(^|\/)(test|fixtures|testing)\//.test(path)
const isCpp = (path) => /\.(h|cc)$/.test(path)
const isTs = (path) => /\.(ts|tsx)$/.test(path)
const isScript = (path) => /\.(ts|tsx|mjs|js)$/.test(path)
const isCode = (path) =>
  isCpp(path) || isScript(path) || /\.(c|def|cmake|sh)$|CMakeLists\.txt$/.test(path)

function* lines(text) {
  let number = 0
  for (const line of text.split('\n')) yield [++number, line]
}

function* cppIncludes(path, text) {
  const folder = /^core\/([^/]+)\//.exec(path)?.[1]
  for (const [line, source] of lines(text)) {
    const match = /^\s*#\s*include\s*([<"])([^>"]+)[>"]/.exec(source)
    if (match === null) continue
    const [, quote, target] = match
    const library = LIBRARY_INCLUDES.find((entry) => entry.match.test(target))
    if (library !== undefined) {
      const allowed =
        library.places.some((place) => path.startsWith(place)) || (library.tests && isTest(path))
      if (!allowed) yield { line, message: `${library.name} (${target}) may not be included here` }
      continue
    }
    if (quote === '<') continue
    if (!/^(core|wasm)\//.test(target)) {
      yield { line, message: `include "${target}" from the repository's root` }
    } else if (!mayInclude(path, folder, target)) {
      yield { line, message: `${folder ? `core/${folder}` : 'wasm'} may not include ${target}` }
    }
  }
}

function mayInclude(path, folder, target) {
  if (path.startsWith('wasm/')) {
    return (
      WASM_INCLUDES.some((prefix) => target.startsWith(prefix)) ||
      WASM_INCLUDES_FILES.includes(target) ||
      (path.startsWith('wasm/server/') && WASM_INCLUDES_SERVER.includes(target)) ||
      (path.startsWith('wasm/test/') && WASM_INCLUDES_TESTS.includes(target))
    )
  }
  const targetFolder = /^core\/([^/]+)\//.exec(target)?.[1]
  if (targetFolder === folder) return true
  if (isTest(path) || CORE_ON_TOP.includes(folder)) return targetFolder !== undefined
  return { ...CORE_INCLUDES, ...CORE_TESTING }[folder]?.includes(targetFolder) ?? false
}

/** What a TypeScript file imports, statically, dynamically or as a worker's address. */
function* importsOf(text) {
  const forms = [
    /\b(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/g,
    /\bimport\s*['"]([^'"]+)['"]/g,
    /\bimport\(\s*(?:\/\*[^*]*\*\/\s*)*['"]([^'"]+)['"]/g,
  ]
  for (const form of forms) {
    for (const match of text.matchAll(form)) {
      const [statement, target] = match
      // Text about imports, in a message or a comment, is no import.
      if (/[\s…$]/.test(target)) continue
      yield [text.slice(0, match.index + statement.length).split('\n').length, target]
    }
  }
}

function* tsImports(path, text) {
  if (path.startsWith('e2e/') || path.startsWith('examples/')) {
    const home = path.startsWith('e2e/') ? 'e2e/' : posix.join(...path.split('/').slice(0, 2), '/')
    for (const [line, target] of importsOf(text)) {
      if (target.startsWith('.') && !posix.join(posix.dirname(path), target).startsWith(home)) {
        yield { line, message: `${home} may only import the package, not ${target}` }
      }
    }
    return
  }
  const rule = TS_IMPORTS.filter((entry) => path.startsWith(entry.part)).sort(
    (a, b) => b.part.length - a.part.length,
  )[0]
  if (rule === undefined) return
  for (const [line, target] of importsOf(text)) {
    if (target.startsWith('.')) {
      const resolved = posix.join(posix.dirname(path), target).replace(/\.js$/, '.ts')
      if (isTestHelp(path) ? resolved.startsWith('e2e/') : !within(resolved, rule.ours)) {
        yield { line, message: `${rule.part} may not import ${resolved}` }
      }
    } else if (!isTestHelp(path) && !rule.packages.some((name) => isPackage(target, name))) {
      yield { line, message: `${rule.part} may not import the package ${target}` }
    }
  }
}

const within = (path, prefixes) => prefixes.some((prefix) => path.startsWith(prefix))
const isPackage = (target, name) =>
  name.endsWith(':') ? target.startsWith(name) : target === name || target.startsWith(`${name}/`)

/** A file that keeps state or defines bytes opens with what it is (STYLE: the header comment). */
function* headerComment(path, text, files) {
  const first = text.trimStart()
  const sibling = files.has(path.replace(/\.cc$/, '.h'))
  const cppNeedsOne =
    /^(core|wasm)\/.*\.(h|def)$/.test(path) || (/^(core|wasm)\/.*\.cc$/.test(path) && !sibling)
  const scriptNeedsOne =
    /^(js|worker|shared-worker|devtools|scripts|bench|\.ci)\/.*\.(ts|tsx|mjs)$/.test(path)
  if ((cppNeedsOne || scriptNeedsOne) && !isTest(path) && !/^(\/\/|\/\*|#!)/.test(first)) {
    yield { line: 1, message: 'the file opens without a comment that says what it is' }
  }
}

function* fileName(path) {
  const name = posix.basename(path)
  if (/^(core|wasm)\/.*\.(h|cc|def)$/.test(path) && !/^[a-z0-9_]+\.(h|cc|def)$/.test(name)) {
    yield { line: 1, message: 'C++ files are named in snake_case' }
  }
  if (isScript(path) && !path.startsWith('wasm/vfs/') && !/^\.?[a-z0-9.-]+$/.test(name)) {
    yield { line: 1, message: 'TypeScript and JavaScript files are named in kebab-case' }
  }
}

function* plainText(path, text) {
  const lock = path.endsWith('package-lock.json')
  if (lock && text.includes('"resolved": "http')) {
    yield { line: 1, message: 'the lock file names the host its packages came from' }
  }
  if (text.length > FILE_BYTES_MAX)
    yield { line: 1, message: `larger than ${FILE_BYTES_MAX} bytes` }
  if (!lock && text !== '' && !text.endsWith('\n')) {
    yield { line: 1, message: 'the last line has no end' }
  }
  for (const [line, source] of lines(text)) {
    if (lock) break
    for (const { match, what } of FORBIDDEN_TEXT) {
      if (match.test(source)) yield { line, message: `${what}: ${source.trim().slice(0, 60)}` }
    }
    if (isCode(path) && [...source].length > LINE_MAX) {
      yield { line, message: `longer than ${LINE_MAX} columns` }
    }
    if (/\s$/.test(source)) yield { line, message: 'white space at the end of the line' }
  }
}

/** Every source is listed by hand in its folder's CMakeLists.txt, and its DEPENDS are the table. */
function* cmakeLists(path, text, files) {
  const folder = /^core\/([^/]+)\/CMakeLists\.txt$/.exec(path)?.[1]
  if (/\bGLOB(_RECURSE)?\b/.test(text)) yield { line: 1, message: 'list sources by hand' }
  if (folder === undefined || CORE_INCLUDES[folder] === undefined) return
  for (const file of files.keys()) {
    if (!file.startsWith(`core/${folder}/`) || !file.endsWith('.cc')) continue
    const name = file.slice(`core/${folder}/`.length)
    if (!text.split(/[\s()]+/).includes(name)) yield { line: 1, message: `${name} is not listed` }
  }
  const depends = /ls_core_library\([^)]*?\bDEPENDS\s+([^)]*?)(?:\bPRIVATE\b[^)]*)?\)/.exec(
    text,
  )?.[1]
  const actual = (depends ?? '').split(/\s+/).filter(Boolean).sort()
  const expected = [...CORE_INCLUDES[folder]].sort()
  if (actual.join() !== expected.join()) {
    yield {
      line: 1,
      message: `DEPENDS is "${actual.join(' ')}", the table says "${expected.join(' ')}"`,
    }
  }
}

function* tracked(path) {
  if (/(^|\/)(node_modules|dist|build|\.cache)\//.test(path) || /\.(wasm|tgz|o|a)$/.test(path)) {
    yield { line: 1, message: 'built files and dependencies are not committed' }
  }
}

/**
 * All violations in `files`, a map from path to text.
 *
 * @param {Map<string, string>} files
 * @returns {{ path: string, line: number, message: string }[]}
 */
export function check(files) {
  const problems = []
  for (const [path, text] of files) {
    const found = [
      ...tracked(path),
      ...fileName(path),
      ...plainText(path, text),
      ...headerComment(path, text, files),
    ]
    if (isCpp(path) && /^(core|wasm)\//.test(path)) found.push(...cppIncludes(path, text))
    if (isTs(path)) found.push(...tsImports(path, text))
    if (path.endsWith('CMakeLists.txt')) found.push(...cmakeLists(path, text, files))
    for (const problem of found) problems.push({ path, ...problem })
  }
  return problems
}

/** The text files of the repository: committed, or about to be. */
function repositoryFiles(root) {
  const list = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  const files = new Map()
  for (const path of new Set(list.split('\0').filter(Boolean))) {
    const full = join(root, path)
    if (!existsSync(full) || !statSync(full).isFile()) continue
    const bytes = readFileSync(full)
    const isText = !bytes.includes(0) && !path.startsWith('core/fuzz/corpus/')
    files.set(path, isText ? bytes.toString('utf8') : '')
  }
  return files
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = repositoryFiles(dirname(dirname(fileURLToPath(import.meta.url))))
  const problems = check(files)
  for (const { path, line, message } of problems) console.error(`${path}:${line}: ${message}`)
  console.log(`tidy: ${files.size} files, ${problems.length} problems`)
  if (problems.length > 0) process.exitCode = 1
}

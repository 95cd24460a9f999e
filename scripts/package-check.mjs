/**
 * Looks at the package as npm would publish it: what is in the tarball, whether an app without any
 * of our dependencies can import every entry in Node, and whether TypeScript accepts its
 * declarations with every library checked, and what linters of packages say. What an app does with
 * it in a browser is e2e's part.
 */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ENTRIES, isExported, pathOf, scriptOf, scriptsOf } from './lib/entries.mjs'
import { ROOT } from './lib/paths.mjs'
import { run } from './lib/process.mjs'
import { Failure } from './lib/terminal.mjs'

/** Twice what it takes today, so that nothing big slips in unseen. */
const TARBALL_BYTES_MAX = 1_600_000

/** Entries that start something when imported, need a package of the app, or are for workers. */
const NOT_IN_NODE = [
  'worker',
  'shared-worker',
  'sync-cf-client',
  'react',
  'solid',
  'svelte',
  'vue',
  'effect',
  'livestore',
  'otel',
  'vite',
  'cli',
]

/** @throws Failure naming what is wrong with the package. Resolves to its size. */
export async function checkTarball(tell) {
  // Outside of the repository, where no node_modules of ours can help out.
  const folder = join(tmpdir(), `livestore-wasm-package-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  try {
    const packed = await pack(folder, tell)
    await install(folder, packed.filename, tell)
    await importEntries(folder, tell)
    await checkTypes(folder, tell)
    await lintTarball(join(folder, packed.filename))
    return `${packed.files.length} files, ${(packed.size / 1000).toFixed(0)} KB`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function pack(folder, tell) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const output = await run('npm', args, {
    log: 'npm-pack',
    what: 'npm pack failed',
    fix: 'mend what npm names above.',
    tell,
  })
  const [packed] = Object.values(JSON.parse(output.slice(output.search(/^[[{]/m))))
  const paths = packed.files.map((file) => file.path)
  const expected = ENTRIES.flatMap((entry) => [
    `dist/${scriptOf(entry)}`,
    ...(isExported(entry) ? [`dist/${entry.name}.d.ts`] : []),
  ])
  expected.push('dist/livestore.wasm', 'dist/sync-server-db.wasm', 'dist/LICENSE-ws')
  expected.push('package.json', 'README.md', 'LICENSE', 'CHANGELOG.md')
  expected.push('docs/errors.md')
  const missing = expected.filter((path) => !paths.includes(path))
  if (missing.length > 0) {
    throw new Failure(`The tarball lacks ${missing.join(', ')}.`, 'build it, or mend `files`.')
  }
  const stray = paths.filter((path) => !path.startsWith('dist/') && !expected.includes(path))
  if (stray.length > 0) {
    throw new Failure(`The tarball has ${stray.join(', ')}.`, 'mend `files` in package.json.')
  }
  if (packed.size > TARBALL_BYTES_MAX) {
    throw new Failure(
      `The tarball has ${packed.size} bytes, more than ${TARBALL_BYTES_MAX}.`,
      'find out what grew.',
    )
  }
  return packed
}

async function install(folder, filename, tell) {
  const manifest = { name: 'consumer', private: true, type: 'module' }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  // Offline: the package has no dependency that npm would have to fetch.
  const args = ['install', '--offline', '--no-audit', '--no-fund', '--prefix', folder]
  await run('npm', [...args, join(folder, filename)], {
    log: 'npm-install-tarball',
    what: 'The tarball cannot be installed offline into an empty app',
    fix: 'take the dependency that npm wants to fetch out of package.json.',
    tell,
  })
  const installed = readdirSync(join(folder, 'node_modules')).filter(
    (name) => !name.startsWith('.'),
  )
  if (installed.join() !== 'livestore-wasm') {
    throw new Failure(`The package brings ${installed.join(', ')}.`, 'bundle what it needs.')
  }
}

async function importEntries(folder, tell) {
  const entries = ENTRIES.filter(({ name }) => !NOT_IN_NODE.includes(name))
  const lines = entries.map((entry) => {
    const specifier = entry.name === 'index' ? 'livestore-wasm' : `livestore-wasm/${pathOf(entry)}`
    return (
      `if (Object.keys(await import('${specifier}')).length === 0) ` +
      `throw new Error('${specifier} exports nothing')`
    )
  })
  writeFileSync(join(folder, 'imports.mjs'), `${lines.join('\n')}\n`)
  await run(process.execPath, [join(folder, 'imports.mjs')], {
    log: 'package-import',
    what: 'An entry of the package cannot be imported in Node',
    fix: 'touch the browser in functions only, never while a module loads.',
    tell,
  })
  // An app may bundle its worker in the classic format, which has neither of these.
  const dist = join(folder, 'node_modules', 'livestore-wasm', 'dist')
  const workers = ENTRIES.filter(({ name }) => name.includes('worker'))
  for (const script of workers.flatMap((entry) => scriptsOf(dist, entry))) {
    if (/\bimport\(|\bimport\.meta\b/.test(readFileSync(join(dist, script), 'utf8'))) {
      throw new Failure(`dist/${script} looks for its own address.`, 'mend scripts/build.mjs.')
    }
  }
}

/**
 * What publint and "are the types wrong" have to say. The package is for ECMAScript modules only:
 * how Node's `require` and resolvers of before `exports` find its types is no matter.
 */
async function lintTarball(file) {
  const [{ publint }, { formatMessage }] = await Promise.all([
    import('publint'),
    import('publint/utils'),
  ])
  const { checkPackage, createPackageFromTarballData } = await import('@arethetypeswrong/core')
  const tarball = readFileSync(file)
  const { messages, pkg } = await publint({ pack: { tarball }, strict: true })
  const { problems = [] } = await checkPackage(createPackageFromTarballData(tarball), {
    excludeEntrypoints: ['./livestore.wasm'],
  })
  const found = [
    ...messages.map((message) => formatMessage(message, pkg)),
    ...problems
      .filter(({ resolutionKind }) => !['node10', 'node16-cjs'].includes(resolutionKind))
      .map((problem) => `types: ${JSON.stringify(problem)}`),
  ]
  if (found.length > 0) {
    throw new Failure(
      'The package would trouble its users.',
      'mend what is named above in package.json or scripts/build.mjs.',
      found.join('\n'),
    )
  }
}

async function checkTypes(folder, tell) {
  const consumer = [
    '.',
    './adapter-web',
    './worker',
    './sync-cf/client',
    './testing',
    './sync-server',
    './sync-cf/cf-worker',
  ]
    .map((entry) => `livestore-wasm${entry.slice(1)}`)
    .map((specifier, index) => `export * as entry${index} from '${specifier}'`)
    .join('\n')
  writeFileSync(join(folder, 'consumer.ts'), `${consumer}\n`)
  for (const module of ['nodenext', 'esnext']) {
    const compilerOptions = {
      module,
      moduleResolution: module === 'nodenext' ? 'nodenext' : 'bundler',
      target: 'es2022',
      lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
      types: [],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
    }
    const project = join(folder, 'tsconfig.json')
    writeFileSync(project, JSON.stringify({ compilerOptions, files: ['consumer.ts'] }))
    await run(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', project], {
      log: `package-types-${module}`,
      what: `The declarations do not stand on their own (module ${module})`,
      fix: 'mend the types above where the package declares them.',
      tell,
    })
  }
}

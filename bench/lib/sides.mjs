/**
 * The two sides of the comparison: how each is installed, assembled from the one app source, and
 * built.
 *
 * A side is a folder below `.cache` with its own node_modules and a copy of the app in which
 * `src/side` holds the few imports that differ. Each step writes a stamp and is skipped while what
 * it depends on has not changed.
 */

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const benchDirectory = dirname(dirname(fileURLToPath(import.meta.url)))
const repositoryDirectory = dirname(benchDirectory)
export const cacheDirectory = join(benchDirectory, '.cache')

export const sideNames = ['peer', 'ours']

const filesBelow = (directory) =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()

const hashFiles = (files) => {
  const hash = createHash('sha256')
  for (const file of files) {
    hash
      .update(`${relative(repositoryDirectory, file)}\0`)
      .update(readFileSync(file))
      .update('\0')
  }
  return hash.digest('hex')
}

// Runs `step` unless `stampFile` says that it was done for the same `key`.
const once = async (stampFile, key, step) => {
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === key) return
  rmSync(stampFile, { force: true })
  await step()
  writeFileSync(stampFile, key)
}

// npm ends its errors with pages of usage.
const npmErrorLinesMax = 12

const npm = (cwd, ...args) => {
  try {
    return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const reason = String(error.stderr ?? error.message)
      .split('\n')
      .slice(0, npmErrorLinesMax)
    throw new Error(`npm ${args.join(' ')} failed in ${cwd}:\n${reason.join('\n')}`)
  }
}

const install = async (side, directory, say) => {
  const manifests = ['package.json', 'package-lock.json']
  const sources = manifests.map((name) => join(benchDirectory, 'sides', side, name))
  await once(join(directory, 'installed'), hashFiles(sources), () => {
    say(`installing ${side}`)
    for (const name of manifests) {
      cpSync(join(benchDirectory, 'sides', side, name), join(directory, name))
    }
    // The peer's own peers conflict under npm's resolution, so it must not resolve them: the lock
    // file pins the set the peer was released with. Not `npm ci`, which refuses a lock file whose
    // optional packages for other platforms were out of reach when it was written.
    npm(directory, 'install', '--legacy-peer-deps', '--ignore-scripts', '--no-audit', '--no-fund')
  })
}

// Puts the package as it would be published into the node_modules of our side.
const installOurPackage = (directory) => {
  const built = ['dist/index.js', 'dist/livestore.wasm']
  for (const file of built) {
    if (!existsSync(join(repositoryDirectory, file))) {
      throw new Error(`${file} is missing: run \`npm run build\` first`)
    }
  }
  const packed = npm(
    repositoryDirectory,
    ...['pack', '--json', '--ignore-scripts', '--pack-destination', directory],
  )
  const [{ filename, name, version }] = JSON.parse(packed)
  const target = join(directory, 'node_modules', name)
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  execFileSync('tar', ['-xzf', join(directory, filename), '-C', target, '--strip-components=1'])
  rmSync(join(directory, filename))
  return { version, key: hashFiles(filesBelow(target)) }
}

const peerPackage = (directory) => {
  const manifest = join(directory, 'node_modules/@livestore/livestore/package.json')
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'))
  return { version, key: hashFiles([join(directory, 'package-lock.json')]) }
}

const assemble = (side, appDirectory) => {
  rmSync(appDirectory, { recursive: true, force: true })
  cpSync(join(benchDirectory, 'app'), appDirectory, { recursive: true })
  cpSync(join(benchDirectory, 'sides', side), join(appDirectory, 'src/side'), {
    recursive: true,
    filter: (source) => !source.endsWith('.json'),
  })
}

const appSources = (side) => [
  ...filesBelow(join(benchDirectory, 'app')),
  ...filesBelow(join(benchDirectory, 'sides', side)),
]

/**
 * Makes one side ready to be served: installs, assembles and builds whatever has changed.
 *
 * `dataKey` changes when data prepared by an earlier build may no longer be what this one would
 * write.
 */
export const prepareSide = async (side, say) => {
  const directory = join(cacheDirectory, side)
  mkdirSync(directory, { recursive: true })
  await install(side, directory, say)
  const { version, key } = side === 'ours' ? installOurPackage(directory) : peerPackage(directory)
  const appDirectory = join(directory, 'app')
  const distDirectory = join(appDirectory, 'dist')
  await once(join(directory, 'built'), `${key} ${hashFiles(appSources(side))}`, async () => {
    say(`building the app for ${side}`)
    assemble(side, appDirectory)
    await build({
      root: appDirectory,
      configFile: false,
      logLevel: 'warn',
      worker: { format: 'es' },
      build: { target: 'es2022', reportCompressedSize: false, chunkSizeWarningLimit: 2000 },
    })
  })
  const dataSources = ['app/src/schema.ts', 'app/src/boot-data.ts', `sides/${side}/payloads.ts`]
  const dataFiles = dataSources.map((file) => join(benchDirectory, file))
  return {
    name: side,
    version,
    distDirectory,
    dataKey: `${key.slice(0, 12)}-${hashFiles(dataFiles).slice(0, 12)}`,
  }
}

/**
 * Checks the types of the app against the declared types of one side, as an app's own build would.
 */
export const checkTypes = (side) => {
  const appDirectory = join(cacheDirectory, side, 'app')
  const compiler = join(repositoryDirectory, 'node_modules/typescript/bin/tsc')
  try {
    execFileSync(process.execPath, [compiler, '-p', appDirectory], { encoding: 'utf8' })
  } catch (error) {
    throw new Error(`the types of the app do not fit ${side}:\n${error.stdout}`)
  }
}

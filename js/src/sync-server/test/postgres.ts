/**
 * A real PostgreSQL for tests, in a folder of its own and reached by a socket in it. The server
 * refuses to run as root, so root runs it as another user.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TestPostgres {
  readonly url: string
  /** A database of its own, empty. */
  createDatabase(name: string): string
  /** As a crash would: no connection is ended politely. */
  kill(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

const debian = '/usr/lib/postgresql'

const binaries = (): string => {
  const versions = existsSync(debian)
    ? readdirSync(debian).sort((a, b) => Number(b) - Number(a))
    : []
  const found = versions
    .map((version) => join(debian, version, 'bin'))
    .concat((process.env.PATH ?? '').split(':'))
    .find((folder) => existsSync(join(folder, 'initdb')))
  if (found === undefined) throw new Error('PostgreSQL is not installed: run `npm run setup`')
  return found
}

const user = (): { uid?: number; gid?: number } => {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string): number =>
    Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** `durable` as in production: each commit waits for the disk, which no test here needs. */
export const startPostgres = async ({ durable = false } = {}): Promise<TestPostgres> => {
  const folder = mkdtempSync(join(tmpdir(), 'ls-pg-'))
  const as = user()
  chmodSync(folder, 0o711)
  if (as.uid !== undefined) chownSync(folder, as.uid, as.gid as number)
  const bin = binaries()
  const data = join(folder, 'data')
  const options = { cwd: folder, env: { PATH: process.env.PATH, LC_ALL: 'C' }, ...as }
  const initdb = ['-D', data, '-U', 'livestore', '-A', 'trust', '-E', 'UTF8', '--no-sync']
  execFileSync(join(bin, 'initdb'), initdb, { ...options, stdio: 'pipe' })
  const urlOf = (database: string): string =>
    `postgres://livestore@${encodeURIComponent(folder)}/${database}`
  let running: ChildProcess | undefined
  const ended = (child: ChildProcess): Promise<void> =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve()
      else child.once('exit', () => resolve())
    })
  const psql = (database: string, sql: string): void => {
    const args = ['-h', folder, '-U', 'livestore', '-qc', sql, database]
    execFileSync(join(bin, 'psql'), args, { ...options, stdio: 'pipe' })
  }
  const self: TestPostgres = {
    url: urlOf('postgres'),
    createDatabase(name) {
      psql('postgres', `CREATE DATABASE ${name}`)
      return urlOf(name)
    },
    async kill() {
      const child = running
      running = undefined
      if (child === undefined) return
      child.kill('SIGQUIT')
      await ended(child)
    },
    async start() {
      const fsync = durable ? [] : ['fsync=off', 'full_page_writes=off']
      const settings = [...fsync, 'listen_addresses=', 'shared_buffers=16MB', 'max_connections=60']
      const args = ['-D', data, '-k', folder, ...settings.flatMap((setting) => ['-c', setting])]
      const child = spawn(join(bin, 'postgres'), args, {
        ...options,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      running = child
      let output = ''
      await new Promise<void>((resolve, reject) => {
        const look = (part: Buffer): void => {
          output += String(part)
          if (output.includes('ready to accept connections')) resolve()
        }
        child.stdout?.on('data', look)
        child.stderr?.on('data', look)
        child.once('exit', () => reject(new Error(`PostgreSQL ended: ${output}`)))
      })
    },
    async stop() {
      await self.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  try {
    await self.start()
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
  return self
}

/** `npx livestore-wasm serve`: reads the command line, starts the server, stops it on a signal. */

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { SyncHooks } from '../hooks.js'
import { type LogForm, makeLog } from './log.js'
import { type ServeOptions, serve } from './serve.js'

const help = `Usage: livestore-wasm serve [options]

A sync server for LiveStore apps. Its data is a SQLite file, or a PostgreSQL database.

  --data <directory>    where the data is (default: ./livestore-data)
  --postgres <url>      keep the data in PostgreSQL instead; needs the package pg
  --port <number>       default: 8787; 0 takes any that is free
  --host <address>      default: 127.0.0.1; 0.0.0.0 listens at every address
  --hooks <file>        a module that exports validatePayload, onPush, onPull, ... (README)
  --forward-header <n>  a request header that hooks are given; may be repeated
  --log <form>          json (default), text or none
  --help

GET /health and GET /metrics tell how it is. SIGTERM and SIGINT stop it. TLS is a proxy's.
`

const hookNames = ['validatePayload', 'onPush', 'onPushRes', 'onPull', 'onPullRes'] as const

/** What the command line says; a string is what to print instead. @throws Error for people */
export const readCommandLine = async (
  args: readonly string[],
): Promise<(ServeOptions & { readonly log: LogForm }) | string> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      data: { type: 'string' },
      postgres: { type: 'string' },
      port: { type: 'string' },
      host: { type: 'string' },
      hooks: { type: 'string' },
      'forward-header': { type: 'string', multiple: true },
      log: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.help === true) return help
  if (positionals.length !== 1 || positionals[0] !== 'serve') {
    throw new Error(`the command is \`serve\`, not "${positionals.join(' ')}"`)
  }
  if (values.data !== undefined && values.postgres !== undefined) {
    throw new Error('give --data or --postgres, not both')
  }
  const port = values.port === undefined ? undefined : Number(values.port)
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65535)) {
    throw new Error(`--port must be a number from 0 to 65535, it is ${values.port}`)
  }
  const { log = 'json' } = values
  if (log !== 'json' && log !== 'text' && log !== 'none') {
    throw new Error(`--log must be json, text or none, it is ${log}`)
  }
  return {
    data: values.data,
    postgres: values.postgres,
    port,
    host: values.host,
    hooks: values.hooks === undefined ? undefined : await loadHooks(values.hooks),
    forwardHeaders: values['forward-header'],
    log,
  }
}

const loadHooks = async (file: string): Promise<SyncHooks> => {
  const module = await import(pathToFileURL(resolve(file)).href)
  const exported = { ...module, ...module.default } as Record<string, unknown>
  const hooks = Object.fromEntries(
    hookNames.filter((name) => exported[name] !== undefined).map((name) => [name, exported[name]]),
  )
  const wrong = Object.keys(hooks).find((name) => typeof hooks[name] !== 'function')
  if (wrong !== undefined) throw new Error(`${file}: ${wrong} must be a function`)
  // A file with a typing error in its one name would let everybody in.
  if (Object.keys(hooks).length === 0) {
    throw new Error(`${file} exports none of ${hookNames.join(', ')}`)
  }
  return hooks
}

export const main = async (args: readonly string[]): Promise<void> => {
  let options: Awaited<ReturnType<typeof readCommandLine>>
  try {
    options = await readCommandLine(args)
  } catch (error) {
    process.stderr.write(`livestore-wasm: ${(error as Error).message}\n\n${help}`)
    process.exitCode = 2
    return
  }
  if (typeof options === 'string') {
    process.stdout.write(options)
    return
  }
  const log = makeLog(options.log)
  // Listening for signals comes first: who reads that it listens may stop it at once.
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
  try {
    const server = await serve({ ...options, log })
    await stopped
    await server.close()
  } catch (error) {
    log('error', 'failed', { error: (error as Error).message })
    process.stderr.write(`livestore-wasm: ${(error as Error).message}\n`)
    process.exitCode = 1
  }
}

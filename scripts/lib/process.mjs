/**
 * Runs tools. Their output goes to a log file under build/logs, and to the terminal only when they
 * fail, so that what is on the screen stays readable.
 */

import { spawn } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync } from 'node:fs'
import { delimiter, join, relative } from 'node:path'
import { ROOT } from './paths.mjs'
import { Failure } from './terminal.mjs'

/** How many of the last lines of a failed tool are shown; the log has them all. */
const TAIL_LINES = 60

/** The full path of `name` on PATH, or undefined. */
export function which(name, path = process.env.PATH ?? '') {
  for (const folder of path.split(delimiter)) {
    if (folder && existsSync(join(folder, name))) return join(folder, name)
  }
  return undefined
}

/**
 * Runs `command` and resolves to what it printed on stdout.
 *
 * @param {{ log: string, fix: string, what?: string, env?: Record<string, string>,
 *   tell?: (line: string) => void, explain?: (output: string) => string | undefined,
 *   show?: boolean }} options `log` names the file in build/logs; `explain` may find a better fix
 *   in the output; `show` prints the output as it comes.
 * @throws Failure with the tail of the output when the exit code is not 0.
 */
export function run(command, args, options) {
  const logFile = join(ROOT, 'build', 'logs', `${options.log}.log`)
  mkdirSync(join(ROOT, 'build', 'logs'), { recursive: true })
  const log = createWriteStream(logFile)
  log.write(`$ ${[command, ...args].join(' ')}\n`)
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const stdout = []
    const all = []
    const take = (chunk, isStdout) => {
      log.write(chunk)
      const text = chunk.toString()
      if (isStdout) stdout.push(text)
      all.push(text)
      if (options.show) process.stdout.write(text)
      const lines = text.split(/[\r\n]+/).filter((line) => line.trim() !== '')
      const line = lines.at(-1)
      if (line !== undefined) options.tell?.(line)
    }
    child.stdout.on('data', (chunk) => take(chunk, true))
    child.stderr.on('data', (chunk) => take(chunk, false))
    const fail = (reason) => {
      const output = all.join('')
      const tail = options.show ? '' : output.trimEnd().split('\n').slice(-TAIL_LINES).join('\n')
      const fix = options.explain?.(output) ?? options.fix
      const what = options.what ?? `${command} ${args.slice(0, 3).join(' ')} failed`
      reject(new Failure(`${what} (${reason}, log in ${relative(ROOT, logFile)}).`, fix, tail))
    }
    child.on('error', (error) => {
      log.end()
      fail(error.message)
    })
    child.on('close', (code, signal) => {
      log.end()
      if (code === 0) resolve(stdout.join(''))
      else fail(signal ? `signal ${signal}` : `exit code ${code}`)
    })
  })
}

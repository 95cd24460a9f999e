/**
 * How every script of ours talks: numbered steps with their duration, and failures that end in one
 * line naming the fix.
 *
 * On a terminal the running step shows the last line its tool printed; elsewhere (CI, a pipe) a
 * line every 20 seconds shows that it lives.
 */

const tty = process.stdout.isTTY === true

/** What a person can act on: `what` happened, and the `fix`. `detail` is printed above it. */
export class Failure extends Error {
  constructor(what, fix, detail = '') {
    super(what)
    this.fix = fix
    this.detail = detail
  }
}

export const seconds = (ms) => `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`

/** The steps of one piece of work, printed as `[i/n] title`. */
export class Steps {
  #count
  #index = 0
  #quiet

  constructor(count, { quiet = false } = {}) {
    this.#count = count
    this.#quiet = quiet
  }

  /** Runs `work(tell)`; what it passes to `tell` is shown as progress. Resolves to its result. */
  async run(title, work) {
    this.#index += 1
    const head = `[${this.#index}/${this.#count}] ${title}`
    const begin = performance.now()
    if (this.#quiet) return work(() => {})
    let last = ''
    if (!tty) console.log(`${head} ...`)
    const draw = () => {
      const time = seconds(performance.now() - begin)
      if (!tty) return console.log(`      still at it, ${time}${last ? `: ${last}` : ''}`)
      const width = Math.max(20, (process.stdout.columns ?? 80) - 1)
      process.stdout.write(`\r\x1b[K${`${head} ... ${time}  ${last}`.slice(0, width)}`)
    }
    if (tty) draw()
    const timer = setInterval(draw, tty ? 200 : 20_000)
    try {
      const result = await work((line) => {
        last = line.trim().slice(0, 200)
      })
      clearInterval(timer)
      const note = typeof result === 'string' ? `  ${result}` : ''
      console.log(`${tty ? '\r\x1b[K' : ''}${head}  ${seconds(performance.now() - begin)}${note}`)
      return result
    } catch (error) {
      clearInterval(timer)
      console.log(
        `${tty ? '\r\x1b[K' : ''}${head}  FAILED after ${seconds(performance.now() - begin)}`,
      )
      throw error
    }
  }
}

/** Runs a script's `work`; any failure becomes exit code 1 and a last line that names the fix. */
export async function main(work) {
  try {
    await work()
  } catch (error) {
    if (error instanceof Failure) {
      if (error.detail) console.error(error.detail)
      console.error(`\nError: ${error.message} Fix: ${error.fix}`)
    } else {
      console.error(error)
      console.error('\nError: this script itself failed. Fix: report the lines above.')
    }
    process.exitCode = 1
  }
}

/**
 * `npm run torture`: plays the game of e2e/fixtures/torture.ts with seed after seed, until so many
 * leaders have been replaced or a game fails, which prints the command that plays it again.
 *
 * Options: --seed <first seed> (a fresh one without it), --handovers <number> (1000), --rounds
 * <rounds per game> (3).
 */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from './build.mjs'
import { ROOT } from './lib/paths.mjs'
import { Failure, main } from './lib/terminal.mjs'
import { findChromium } from './lib/tools.mjs'
import { setup } from './setup.mjs'

const options = {
  seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
  handovers: { type: 'string', default: '1000' },
  rounds: { type: 'string', default: '3' },
}

await main(async () => {
  const { values } = parseArgs({ options })
  for (const name of ['seed', 'handovers', 'rounds']) {
    if (!/^\d+$/.test(values[name])) {
      throw new Failure(`--${name} is ${values[name]}.`, 'give a whole number.')
    }
  }
  await setup({ quiet: true })
  await build()
  const args = [
    'test',
    '-c',
    'e2e/playwright.config.ts',
    '/torture.spec.ts',
    '--project=chromium',
    '--reporter=list',
  ]
  const { status } = spawnSync(join(ROOT, 'node_modules', '.bin', 'playwright'), args, {
    cwd: ROOT,
    stdio: 'inherit',
    env: {
      ...process.env,
      CHROMIUM: findChromium() ?? '',
      TORTURE_SEED: values.seed,
      TORTURE_HANDOVERS: values.handovers,
      TORTURE_ROUNDS: values.rounds,
    },
  })
  process.exitCode = status ?? 1
})

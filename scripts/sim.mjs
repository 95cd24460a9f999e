/**
 * `npm run sim`: builds the simulator of core/sim in the preset `release` and runs it. Without
 * arguments it runs a thousand fresh seeds; whatever is given goes to `core_sim`
 * (core/sim/README.md).
 */

import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { cmakeBuild } from './lib/cmake.mjs'
import { ROOT } from './lib/paths.mjs'
import { main } from './lib/terminal.mjs'
import { setup } from './setup.mjs'

await main(async () => {
  await setup({ quiet: true })
  await cmakeBuild('release', { target: 'core_sim' })
  const given = process.argv.slice(2)
  const start = String(Math.floor(Math.random() * 1e9))
  const args =
    given.length > 0
      ? given
      : ['--seeds', '1000', '--start', start, '--jobs', String(availableParallelism())]
  const program = join(ROOT, 'build', 'release', 'core', 'sim', 'core_sim')
  const { status } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit' })
  process.exitCode = status ?? 1
})

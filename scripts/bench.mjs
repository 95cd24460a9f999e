/** `npm run bench`: installs and builds whatever is missing, then runs the benchmark of bench/. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { build } from './build.mjs'
import { ROOT } from './lib/paths.mjs'
import { main } from './lib/terminal.mjs'
import { setup } from './setup.mjs'

await main(async () => {
  await setup({ quiet: true })
  await build()
  const args = [join(ROOT, 'bench', 'run.mjs'), ...process.argv.slice(2)]
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' })
  process.exitCode = status ?? 1
})

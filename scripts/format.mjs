/** `npm run format`: formats every C++ file with clang-format and everything else with Biome. */

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './lib/paths.mjs'
import { run } from './lib/process.mjs'
import { main } from './lib/terminal.mjs'
import { llvmTool } from './lib/tools.mjs'
import { setup } from './setup.mjs'

await main(async () => {
  await setup({ quiet: true })
  const list = ['ls-files', '-co', '--exclude-standard', '*.h', '*.cc']
  const files = execFileSync('git', list, { cwd: ROOT, encoding: 'utf8' }).split('\n')
  const present = files.filter((file) => file !== '' && existsSync(join(ROOT, file)))
  const fix = 'mend what it names above.'
  await run(llvmTool('clang-format'), ['-i', ...present], { log: 'clang-format', fix })
  await run(join(ROOT, 'node_modules', '.bin', 'biome'), ['check', '--write', '.'], {
    log: 'biome-write',
    fix,
  })
})

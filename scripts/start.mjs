/**
 * `npm start`: installs and builds whatever is missing, then serves the TodoMVC example and prints
 * its address. It runs on the built package, as an app would.
 *
 * `npm start vue` serves the one in Vue; the folders of examples/todomvc are the choice.
 */

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { build } from './build.mjs'
import { ROOT } from './lib/paths.mjs'
import { Failure, main } from './lib/terminal.mjs'
import { setup } from './setup.mjs'

await main(async () => {
  await setup({ scope: 'build', quiet: true })
  await build()
  const { createServer } = await import('vite')
  const examples = join(ROOT, 'examples', 'todomvc')
  const [framework = 'react'] = process.argv.slice(2)
  const root = join(examples, framework)
  if (!existsSync(join(root, 'vite.config.ts'))) {
    throw new Failure(
      `There is no example for ${framework}.`,
      `choose of ${readdirSync(examples).join(', ')}.`,
    )
  }
  const server = await createServer({ root, configFile: join(root, 'vite.config.ts') })
  try {
    await server.listen()
  } catch (error) {
    throw new Failure(
      `The dev server could not start: ${error.message}.`,
      'free the port it names.',
    )
  }
  const address = server.resolvedUrls?.local[0] ?? server.resolvedUrls?.network[0]
  console.log(`\nTodoMVC is at ${address}  Open it in two tabs. Stop with Ctrl-C.`)
})

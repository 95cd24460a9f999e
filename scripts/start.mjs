/**
 * `npm start`: installs and builds whatever is missing, then serves the TodoMVC example and a sync
 * server, and prints their addresses. Both run on the built package, as an app would. What is
 * synced stays in build/sync-data.
 *
 * `npm start vue` serves the one in Vue; the folders of examples/todomvc are the choice.
 */

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from './build.mjs'
import { ROOT } from './lib/paths.mjs'
import { Failure, main } from './lib/terminal.mjs'
import { setup } from './setup.mjs'

/** On the usual port, or on another one if that is taken. The app finds it in VITE_SYNC_URL. */
async function startSyncServer() {
  const { serve } = await import(pathToFileURL(join(ROOT, 'dist', 'sync-server.js')).href)
  const options = { data: join(ROOT, 'build', 'sync-data') }
  const server = await serve(options).catch((error) => {
    if (error.code === 'EADDRINUSE') return serve({ ...options, port: 0 })
    throw new Failure(
      `The sync server could not start: ${error.message}.`,
      'stop what has build/sync-data open, or delete that folder.',
    )
  })
  process.env.VITE_SYNC_URL = server.url
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => void server.close().finally(() => process.exit()))
  }
  return server
}

await main(async () => {
  const examples = join(ROOT, 'examples', 'todomvc')
  const [framework = 'react'] = process.argv.slice(2)
  const root = join(examples, framework)
  if (!existsSync(join(root, 'vite.config.ts'))) {
    throw new Failure(
      `There is no example for ${framework}.`,
      `choose of ${readdirSync(examples).join(', ')}.`,
    )
  }
  await setup({ scope: 'build', quiet: true })
  await build()
  const sync = await startSyncServer()
  const { createServer } = await import('vite')
  const server = await createServer({ root, configFile: join(root, 'vite.config.ts') })
  try {
    await server.listen()
  } catch (error) {
    await sync.close()
    throw new Failure(
      `The dev server could not start: ${error.message}.`,
      'free the port it names.',
    )
  }
  const address = server.resolvedUrls?.local[0] ?? server.resolvedUrls?.network[0]
  console.log(`\nTodoMVC is at ${address}  Open it in two tabs. Stop with Ctrl-C.`)
  console.log(`The sync server is at ${sync.url}`)
})

/** Before the first test: pack the package, install it into the tested app, build that app. */

import { buildTestedApp } from './fixtures/apps.js'

// biome-ignore lint/style/noDefaultExport: Playwright calls the default export
export default async (): Promise<void> => {
  await buildTestedApp()
}

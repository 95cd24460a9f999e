import { resolveConfig } from 'vite'
import { expect, test } from 'vitest'
import { liveStore } from './plugin.js'

test('keeps the package out of the bundles that the dev server makes of dependencies', async () => {
  const config = await resolveConfig(
    {
      configFile: false,
      logLevel: 'silent',
      plugins: [liveStore()],
      optimizeDeps: { exclude: ['another'] },
    },
    'serve',
  )
  expect(config.optimizeDeps.exclude?.toSorted()).toEqual(['another', 'livestore-wasm'])
})

test('refuses options, of which there are none', () => {
  expect(() => liveStore({ devtools: true })).toThrow(TypeError)
})

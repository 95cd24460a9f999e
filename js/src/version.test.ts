import { expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { liveStoreVersion } from './index.js'

test('the version is that of the package', () => {
  expect(liveStoreVersion).toBe(packageJson.version)
})

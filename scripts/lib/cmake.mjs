/** Configures and builds a preset of CMakePresets.json, doing as little as possible. */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './paths.mjs'
import { run } from './process.mjs'

/**
 * Configures `preset` where that is needed. Ninja runs CMake again by itself when a CMake file
 * changed; another Emscripten or other presets start the folder anew.
 *
 * @throws Failure with CMake's output.
 */
export async function cmakeConfigure(preset, { tell, env = {} } = {}) {
  const folder = join(ROOT, 'build', preset)
  const stamp = join(folder, '.configured')
  const presets = readFileSync(join(ROOT, 'CMakePresets.json'), 'utf8')
  const configured = `${env.LS_EMSCRIPTEN_ROOT ?? ''}\n${presets}`
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === configured) return
  rmSync(join(folder, 'CMakeCache.txt'), { force: true })
  rmSync(join(folder, 'CMakeFiles'), { recursive: true, force: true })
  await run('cmake', ['--preset', preset], {
    log: `${preset}-configure`,
    what: `CMake could not configure the preset ${preset}`,
    fix: 'mend what CMake names above.',
    env,
    tell,
  })
  mkdirSync(folder, { recursive: true })
  writeFileSync(stamp, configured)
}

/**
 * Configures and builds `preset`: all of it, or `target`.
 *
 * @throws Failure with the compiler's output.
 */
export async function cmakeBuild(preset, { tell, env = {}, target } = {}) {
  await cmakeConfigure(preset, { tell, env })
  const what = target === undefined ? [] : ['--target', target]
  await run('cmake', ['--build', '--preset', preset, ...what], {
    log: [preset, ...what.slice(1), 'build'].join('-'),
    what: `The preset ${preset} does not build`,
    fix: 'mend the error above.',
    env,
    tell,
  })
}

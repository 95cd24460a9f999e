/** Plants one violation per rule of the style test, and a clean file beside each. */

import { describe, expect, test } from 'vitest'
import { CORE_INCLUDES, check, TS_IMPORTS } from './tidy.mjs'

/** The messages for one file in an otherwise empty repository. */
const messages = (path, text, others = {}) =>
  check(new Map(Object.entries({ [path]: text, ...others })))
    .filter((problem) => problem.path === path)
    .map((problem) => problem.message)

const header = '// What this is.\n'

describe('C++ includes', () => {
  test('sync may not see SQLite, and may see event', () => {
    const include = (target) => messages('core/sync/a.h', `${header}#include "${target}"\n`)
    expect(include('core/sqlite/database.h')).toEqual([
      'core/sync may not include core/sqlite/database.h',
    ])
    expect(include('core/event/event.h')).toEqual([])
    expect(include('core/sync/b.h')).toEqual([])
  })

  test('every folder refuses what its row does not name', () => {
    for (const [folder, allowed] of Object.entries(CORE_INCLUDES)) {
      for (const other of Object.keys(CORE_INCLUDES)) {
        const found = messages(`core/${folder}/a.h`, `${header}#include "core/${other}/b.h"\n`)
        expect(found.length, `${folder} -> ${other}`).toBe(
          folder === other || allowed.includes(other) ? 0 : 1,
        )
      }
    }
  })

  test('wasm sees the api and the interfaces, not the engine', () => {
    const include = (target) => messages('wasm/a.h', `${header}#include ${target}\n`)
    expect(include('"core/leader/leader.h"')).toHaveLength(1)
    expect(include('"core/api/leader.h"')).toEqual([])
    expect(include('"core/sqlite/storage_pool.h"')).toEqual([])
    expect(include('<emscripten/val.h>')).toEqual([])
    const suite = '#include "core/sqlite/vfs_conformance.h"\n'
    expect(messages('wasm/a.h', header + suite)).toHaveLength(1)
    expect(messages('wasm/test/a.cc', header + suite)).toEqual([])
  })

  test('libraries are used in their places only', () => {
    const include = (path, target) => messages(path, `${header}#include ${target}\n`)
    expect(include('core/state/a.h', '"sqlite3.h"')).toHaveLength(1)
    expect(include('core/sqlite/a.h', '"sqlite3.h"')).toEqual([])
    expect(include('core/session/a.h', '<emscripten/val.h>')).toHaveLength(1)
    expect(include('core/sync/a.h', '<chrono>')).toHaveLength(1)
    expect(include('core/sync/a.h', '<gtest/gtest.h>')).toHaveLength(1)
    expect(include('core/sync/a_test.cc', '<gtest/gtest.h>')).toEqual([])
    expect(include('core/sync/a.h', '"merge.h"')).toHaveLength(1)
  })

  test('code that ships does not include test helpers', () => {
    const include = '#include "core/testing/todo_app.h"\n'
    expect(messages('core/leader/a.h', header + include)).toHaveLength(1)
    expect(messages('core/leader/a_test.cc', header + include)).toEqual([])
  })
})

describe('TypeScript imports', () => {
  const open = '/** What this is. */\n'
  const imported = (path, statement) => messages(path, `${open}${statement}\n`)

  test('the shared worker never sees wasm', () => {
    const path = 'shared-worker/src/a.ts'
    expect(imported(path, "import { x } from '../../js/src/wasm/module.js'")).toHaveLength(1)
    expect(imported(path, "import type { M } from '../../js/src/protocol/messages.js'")).toEqual([])
    expect(imported(path, "const m = await import('../../js/src/store/store.js')")).toHaveLength(1)
  })

  test('only js/src/wasm touches the module', () => {
    const from = "from '../../../wasm/types/module.js'"
    expect(imported('js/src/store/a.ts', `import type { EngineModule } ${from}`)).toHaveLength(1)
    expect(imported('js/src/wasm/a.ts', `import type { EngineModule } ${from}`)).toEqual([])
  })

  test('packages are those of the row', () => {
    expect(imported('js/src/store/a.ts', "import { useState } from 'react'")).toHaveLength(1)
    expect(imported('js/src/react/a.ts', "import { useState } from 'react'")).toEqual([])
    expect(imported('js/src/react/a.ts', "import x from 'react-dom'")).toHaveLength(1)
    expect(imported('js/src/react/a.test.ts', "import { test } from 'vitest'")).toEqual([])
  })

  test('an import over several lines and a re-export are seen', () => {
    const path = 'js/src/protocol/a.ts'
    expect(imported(path, "import {\n  a,\n  b,\n} from '../store/store.js'")).toHaveLength(1)
    expect(imported(path, "export * from '../store/store.js'")).toHaveLength(1)
  })

  test('browser tests and examples know the package by its name only', () => {
    expect(imported('e2e/a.spec.ts', "import { x } from '../js/src/index.js'")).toHaveLength(1)
    expect(imported('e2e/a.spec.ts', "import { x } from './fixtures/tabs.js'")).toEqual([])
    const app = 'examples/todomvc/src/a.ts'
    expect(imported(app, "import { x } from '../../../js/src/index.js'")).toHaveLength(1)
    expect(imported(app, "import { x } from 'livestore-wasm'")).toEqual([])
  })

  test('every row names a part of the tree', () => {
    expect(TS_IMPORTS.map((row) => row.part)).toContain('worker/')
  })
})

describe('CMake', () => {
  test('sources are listed, and DEPENDS is the table', () => {
    const sources = { 'core/sync/merge.cc': header }
    const list = (text) => messages('core/sync/CMakeLists.txt', `${text}\n`, sources)
    const right = 'ls_core_library(sync\n  SOURCES merge.cc\n  DEPENDS base event)'
    expect(list(right)).toEqual([])
    expect(list('ls_core_library(sync\n  DEPENDS base event)')).toEqual(['merge.cc is not listed'])
    expect(list(right.replace(' event)', ' event sqlite)'))).toHaveLength(1)
    expect(list(`${right}\nfile(GLOB x *.cc)`)).toEqual(['list sources by hand'])
  })
})

describe('files', () => {
  test('a header opens with a comment', () => {
    expect(messages('core/sync/a.h', '#pragma once\n')).toHaveLength(1)
    expect(messages('js/src/a.ts', 'export const a = 1\n')).toHaveLength(1)
  })

  test('names follow their language', () => {
    expect(messages('core/sync/PushQueue.h', header)).toHaveLength(1)
    expect(messages('js/src/pushQueue.ts', header)).toHaveLength(1)
  })

  test('lines end, and end before column 100', () => {
    expect(messages('js/src/a.ts', `// ${'x'.repeat(98)}\n`)).toEqual(['longer than 100 columns'])
    expect(messages('js/src/a.ts', header.trimEnd())).toEqual(['the last line has no end'])
    expect(messages('README.md', 'two \n')).toEqual(['white space at the end of the line'])
  })

  test('built files are not committed', () => {
    expect(messages('dist/index.js', header)).toHaveLength(1)
    expect(messages('wasm/livestore.wasm', '')).toHaveLength(1)
  })

  test('text that must not be in the repository', () => {
    const text = (line) => messages('docs/a.md', `${line}\n`)
    expect(text(`npm install --registry https://${'regis'}try.npmjs.org`)).toHaveLength(1)
    expect(text(`open /ro${'ot'}/.cache/x`)).toHaveLength(1)
    expect(text(`${'FIX'}${'ME'} later`)).toHaveLength(1)
    expect(text(`${'TO'}${'DO'}: later`)).toHaveLength(1)
    expect(text(`${'TO'}${'DO'}(perf): cache it`)).toEqual([])
    expect(text('the leader worker/ and shared-worker/ folders')).toEqual([])
    const lock = '{ "resolved": "https://host/x.tgz" }\n'
    expect(messages('package-lock.json', lock)).toHaveLength(1)
  })
})

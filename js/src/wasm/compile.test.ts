import { afterEach, describe, expect, test, vi } from 'vitest'
import { addressesFor, compileEngine } from './compile.js'

describe('the file is looked for', () => {
  test.each([
    ['http://h/assets/livestore-abc.wasm', ['/assets/livestore-abc.wasm']],
    [
      'http://h/node_modules/livestore-wasm/dist/livestore.wasm',
      ['/node_modules/livestore-wasm/dist/livestore.wasm'],
    ],
    [
      'http://h/node_modules/.vite/deps/livestore.wasm',
      [
        '/node_modules/livestore-wasm/dist/livestore.wasm',
        '/node_modules/.vite/deps/livestore.wasm',
      ],
    ],
    [
      'http://h/base/node_modules/.vite/deps/livestore.wasm',
      [
        '/base/node_modules/livestore-wasm/dist/livestore.wasm',
        '/base/node_modules/.vite/deps/livestore.wasm',
      ],
    ],
    [
      'http://h/@fs/home/app/node_modules/.vite/deps/livestore.wasm',
      [
        '/@fs/home/app/node_modules/livestore-wasm/dist/livestore.wasm',
        '/@fs/home/app/node_modules/.vite/deps/livestore.wasm',
      ],
    ],
    [
      'http://h/.cache/deps/livestore.wasm',
      ['/node_modules/livestore-wasm/dist/livestore.wasm', '/.cache/deps/livestore.wasm'],
    ],
    ['file:///app/deps/livestore.wasm', ['/app/deps/livestore.wasm']],
  ])('for %s at %o', (beside, expected) => {
    expect(addressesFor(new URL(beside)).map(({ pathname }) => pathname)).toEqual(expected)
  })
})

describe('what a server answers', () => {
  const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])
  const answer = (body: string | Uint8Array<ArrayBuffer>, status: number, type: string): void => {
    vi.stubGlobal('fetch', async () => {
      return new Response(body, { status, headers: { 'content-type': type } })
    })
  }
  afterEach(() => vi.unstubAllGlobals())

  test.each([['application/wasm'], ['application/octet-stream']])(
    'wasm as %s is fine',
    async (type) => {
      answer(wasm, 200, type)
      expect(await compileEngine('http://h/livestore.wasm')).toBeInstanceOf(WebAssembly.Module)
    },
  )

  test.each([
    ['a page of HTML', '<!doctype html>', 200, 'text/html', 'text/html'],
    ['an error', 'gone', 404, 'text/plain', '404'],
    ['damaged wasm', '\0asm!!', 200, 'application/wasm', 'wasm'],
  ])(
    '%s is an error that names the address and the answer',
    async (_, body, status, type, what) => {
      answer(body, status, type)
      const compiling = compileEngine('http://h/livestore.wasm')
      await expect(compiling).rejects.toMatchObject({ code: 'EngineLoad' })
      await expect(compiling).rejects.toThrow('http://h/livestore.wasm')
      await expect(compiling).rejects.toThrow(what)
    },
  )

  test('no answer at all, or an address that is none, is the same error', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('offline')))
    await expect(compileEngine('http://h/a.wasm')).rejects.toMatchObject({ code: 'EngineLoad' })
    await expect(compileEngine('http://')).rejects.toMatchObject({ code: 'EngineLoad' })
  })
})

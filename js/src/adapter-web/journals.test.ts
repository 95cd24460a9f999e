/**
 * Journals over a storage in memory: what is written, handed over, removed and set aside. That
 * events come back once is pinned with the engine, in js/test/journals-on-engine.test.ts.
 */

import { beforeEach, describe, expect, test, vi } from 'vitest'
import { TestStorage } from '../../test/doubles.js'
import { coded } from '../../test/open-store.js'
import type { LiveStoreError } from '../errors.js'
import type { JournalMessage, JournalResultMessage } from '../protocol/messages.js'
import { Journals, journalBytesMax } from './journals.js'

let storage: TestStorage
let errors: LiveStoreError[]

beforeEach(() => {
  storage = new TestStorage()
  errors = []
})

/** A tab's journals, and a leader that writes down what it is handed. */
const openTab = (storeId = 'one') => {
  const journals = new Journals(
    { localStorage: () => storage, onError: (error) => errors.push(error) },
    storeId,
  )
  const handed: { id: number; instance: string; bytes: number[] }[] = []
  const post = ({ id, instance, push }: JournalMessage) => {
    handed.push({ id, instance, bytes: [...new Uint8Array(push)] })
  }
  const attach = () => {
    handed.length = 0
    journals.handOver(post)
    return handed
  }
  return { journals, handed, attach }
}
const key = (instance: string, number = 1) => `livestore:journal:one:${instance}:${number}`
const asideKey = (instance: string) => `livestore:unusable-journal:one:${instance}:1`
const answer = (id: number, code?: string): JournalResultMessage =>
  code === undefined
    ? { type: 'journal-result', id }
    : { type: 'journal-result', id, code, message: 'why' }

test('what one page wrote is handed over by another, and removed when it is on disk', () => {
  openTab().journals.write('s-1', new Uint8Array([0, 127, 128, 255]))
  openTab().journals.write('s-2:x', new Uint8Array([1]))
  openTab('other').journals.write('s-3', new Uint8Array([2]))
  const next = openTab()
  expect(next.attach()).toEqual([
    { id: 1, instance: 's-1', bytes: [0, 127, 128, 255] },
    { id: 2, instance: 's-2:x', bytes: [1] },
  ])
  next.journals.taken(answer(1))
  expect([...storage.texts.keys()]).toEqual([key('s-2:x'), 'livestore:journal:other:s-3:1'])
})

test('a journal of many bytes comes back whole', () => {
  const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 31 + (i >> 8)) % 256)
  openTab().journals.write('s-1', bytes)
  expect(openTab().attach()[0]?.bytes).toEqual([...bytes])
})

test('every later leader is handed what was not answered', () => {
  openTab().journals.write('s-1', new Uint8Array([1]))
  const next = openTab()
  const [first] = next.attach()
  expect(next.attach()).toMatchObject([{ instance: 's-1' }])
  next.journals.taken(answer(first?.id as number))
  expect(storage.texts.has(key('s-1')), 'an answer of the leader before').toBe(true)
})

test('what another tab writes later is handed over then', () => {
  const next = openTab()
  next.attach()
  openTab().journals.write('s-1', new Uint8Array([1]))
  next.journals.changed('something else')
  next.journals.changed(null)
  next.journals.changed(key('s-1'))
  expect(next.handed).toMatchObject([{ instance: 's-1', bytes: [1] }])
})

test('law 3: what was written since it was handed over stays, also where it is not seen', () => {
  const frozen = openTab()
  frozen.journals.write('s-1', new Uint8Array([1]))
  const before = new Map(storage.texts)
  const next = openTab()
  next.attach()
  frozen.journals.write('s-1', new Uint8Array([1, 2]))
  // The copy of localStorage in the next tab's process is behind; what it removes goes everywhere.
  const getItem = vi
    .spyOn(storage, 'getItem')
    .mockImplementation((name) => before.get(name) ?? null)
  next.journals.taken(answer(1))
  getItem.mockRestore()
  expect(next.attach()).toMatchObject([{ instance: 's-1', bytes: [1, 2] }])
})

test('law 3: a journal is not removed for one that was written before it', () => {
  const { journals } = openTab()
  const removeFirst = journals.write('s-1', new Uint8Array([1]))
  const removeSecond = journals.write('s-1', new Uint8Array([1, 2]))
  removeFirst()
  expect([...storage.texts.keys()]).toEqual([key('s-1', 2)])
  removeSecond()
  expect(storage.texts.size).toBe(0)
})

test('without room for two journals the later one takes the place of the other', () => {
  const { journals } = openTab()
  const removeFirst = journals.write('s-1', new Uint8Array([1]))
  storage.limit = [...storage.texts].join('').length + 10
  journals.write('s-1', new Uint8Array([1, 2]))
  removeFirst()
  expect(openTab().attach()).toMatchObject([{ instance: 's-1', bytes: [1, 2] }])
  expect(storage.texts.size).toBe(1)
})

test('a tab does not hand over its own, and removes it', () => {
  const own = openTab()
  const remove = own.journals.write('s-1', new Uint8Array([1]))
  expect(own.attach()).toEqual([])
  remove()
  expect(storage.texts.size).toBe(0)
})

test('a store that is reset has no journals', () => {
  openTab().journals.write('s-1', new Uint8Array([1]))
  openTab('other').journals.write('s-3', new Uint8Array([2]))
  const next = openTab()
  next.journals.clear()
  expect(next.attach()).toEqual([])
  expect(storage.texts.size).toBe(1)
})

describe('a journal that cannot be taken in', () => {
  const written = (): string => {
    openTab().journals.write('s-1', new Uint8Array([1, 2, 3]))
    return storage.texts.get(key('s-1')) as string
  }

  test.each([
    ['is cut', (text: string) => text.slice(0, -1)],
    ['is altered', (text: string) => text.replace('AQID', 'AQIE')],
    ['is of another version', (text: string) => text.replace(/^1/, '2')],
    ['is no journal', () => 'nonsense'],
  ])('because it %s is reported and kept aside, whole', (_, damage) => {
    const text = damage(written())
    storage.texts.set(key('s-1'), text)
    expect(openTab().attach()).toEqual([])
    expect([...storage.texts]).toEqual([[asideKey('s-1'), text]])
    expect(errors).toEqual([
      coded('MalformedBytes', /kept as livestore:unusable-journal:one:s-1:1/),
    ])
    openTab().attach()
    expect(errors).toHaveLength(1)
  })

  test('because the leader says so is too', () => {
    const text = written()
    const next = openTab()
    next.attach()
    next.journals.taken(answer(1, 'ProtocolMismatch'))
    expect([...storage.texts]).toEqual([[asideKey('s-1'), text]])
    expect(errors).toEqual([coded('MalformedBytes', /why \(ProtocolMismatch\)/)])
  })

  test('stays where it is if there is no room for a copy', () => {
    storage.limit = written().length + 40
    storage.texts.set(key('s-1'), 'nonsense'.repeat(4))
    storage.limit = 40
    openTab().attach()
    expect([...storage.texts.keys()]).toEqual([key('s-1')])
    expect(errors).toHaveLength(1)
  })
})

describe('writing fails', () => {
  test('for more bytes than a journal may have, and what was there stays', () => {
    const { journals } = openTab()
    journals.write('s-1', new Uint8Array([1]))
    const tooMany = new Uint8Array(journalBytesMax + 1)
    expect(() => journals.write('s-1', tooMany)).toThrow(coded('LimitExceeded', /3000001/))
    expect(storage.texts.size).toBe(1)
  })

  test('when storage is full or blocked; blocked storage has no journals', () => {
    storage.limit = 10
    const { journals, attach } = openTab()
    const write = () => journals.write('s-1', new Uint8Array([1]))
    expect(write).toThrow(coded('StorageFull', /localStorage/))
    storage.refusal = new DOMException('cookies are off', 'SecurityError')
    expect(write).toThrow(coded('StorageUnavailable', /cookies are off/))
    expect(attach()).toEqual([])
    journals.clear()
    expect(errors).toEqual([])
  })
})

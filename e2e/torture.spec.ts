/**
 * Nothing acknowledged is lost and nothing comes twice, whatever happens to tabs, workers and the
 * browser: see fixtures/torture.ts.
 *
 * By itself it plays a few games with fixed seeds. `npm run torture` plays others, for as long as
 * it is told to.
 */

import { projectEngine } from './fixtures/browser.js'
import { NoteRecord } from './fixtures/note-record.js'
import { expect, test } from './fixtures/test.js'
import { Torture } from './fixtures/torture.js'

const roundsPerGame = 3
const { TORTURE_SEED, TORTURE_ROUNDS, TORTURE_HANDOVERS } = process.env

if (TORTURE_SEED === undefined) {
  test('the record finds what is lost, twice, out of order or by nobody', () => {
    const record = new NoteRecord()
    const [a, b] = [record.newAuthor(), record.newAuthor()]
    record.persisted(a, 2)
    record.ended({ author: b, noted: 1 })
    expect(record.problemsOf(['a0-0', 'a1-0', 'a0-1', 'a0-2'])).toEqual([])
    expect(record.problemsOf(['a0-0', 'a1-0'])).toEqual(['a0 has 1 notes; 2 were persisted'])
    expect(record.problemsOf(['a0-0', 'a0-1'])).toEqual([
      'a1 has 0 notes; it ended in good order with 1',
    ])
    expect(record.problemsOf(['a0-0', 'a0-1', 'a1-0', 'a1-0'])).toEqual([
      'a1-0 is there twice, or after a later one',
    ])
    expect(record.problemsOf(['a1-0', 'a0-0', 'a0-2'])).toEqual(['before a0-2, a0-1 is missing'])
    expect(record.problemsOf(['a0-0', 'a0-1', 'a1-0', 'a2-0'])).toEqual(['a2-0 is by nobody'])
    record.browserKilled()
    expect(record.problemsOf(['a0-0', 'a0-1'])).toEqual([])
  })

  for (const seed of [1, 2, 3]) {
    test(`five tabs are tortured, seed ${seed}`, async ({ server }, info) => {
      test.setTimeout(180_000)
      const { handOvers, persisted } = await Torture.play(
        seed,
        roundsPerGame,
        server.origin,
        projectEngine(info),
      )
      expect(handOvers, 'leaders were replaced').toBeGreaterThan(3)
      // How many depends on the machine; with so few none would be under way when a tab goes.
      expect(persisted, 'the tabs committed').toBeGreaterThan(50)
    })
  }
} else {
  test(`games from seed ${TORTURE_SEED}`, async ({ server }, info) => {
    test.setTimeout(0)
    const rounds = Number(TORTURE_ROUNDS ?? roundsPerGame)
    let handOvers = 0
    for (let seed = Number(TORTURE_SEED); handOvers < Number(TORTURE_HANDOVERS ?? 1); seed++) {
      const begin = performance.now()
      const game = await Torture.play(seed, rounds, server.origin, projectEngine(info))
      handOvers += game.handOvers
      const took = ((performance.now() - begin) / 1000).toFixed(0)
      console.log(
        `seed ${seed}: ${game.handOvers} hand-overs (${handOvers} in all), ${game.persisted} ` +
          `persisted, ${game.notes} stored, ${took} s`,
      )
    }
  })
}

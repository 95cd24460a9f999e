/**
 * The result as a table for people: medians of both sides, their ratio, and whether the bar is met.
 */

import { formatNumber, median } from './statistics.mjs'

const medianOf = (samples, side, metric) => {
  const values = (samples[side] ?? []).flatMap((sample) => sample.metrics[metric] ?? [])
  return values.length === 0 ? undefined : median(values)
}

const barText = (bar) => {
  if (bar === undefined) return ''
  if (bar.atMost !== undefined) return `<= ${formatNumber(bar.atMost)}`
  return bar.atLeast === undefined ? `${bar.ratio}x` : `>= ${formatNumber(bar.atLeast)}`
}

const isMet = (bar, peer, ours) => {
  if (bar.atMost !== undefined) return ours === undefined ? undefined : ours <= bar.atMost
  if (bar.atLeast !== undefined) return ours === undefined ? undefined : ours >= bar.atLeast
  return peer === undefined || ours === undefined ? undefined : peer >= ours * bar.ratio
}

/** How many times better ours is: less time, or more per second. */
const ratioOf = (metric, peer, ours) => {
  if (!peer || !ours) return undefined
  return metric.includes('/s') ? ours / peer : peer / ours
}

/**
 * One row per scenario and metric: `{ scenario, key, metric, peer, ours, ratio, bar, met }`,
 * undefined where a side was not measured. `results` is a list of `{ scenario, samples: { peer,
 * ours } }`.
 */
export const toRows = (results) =>
  results.flatMap(({ scenario, samples }) => {
    const metrics = new Set(
      Object.values(samples).flatMap((list) =>
        list.flatMap((sample) => Object.keys(sample.metrics)),
      ),
    )
    return [...metrics].map((metric) => {
      const peer = medianOf(samples, 'peer', metric)
      const ours = medianOf(samples, 'ours', metric)
      const bar = scenario.bars[metric]
      return {
        scenario: scenario.name,
        key: scenario.key,
        metric,
        peer,
        ours,
        ratio: ratioOf(metric, peer, ours),
        bar: barText(bar),
        met: bar === undefined ? undefined : isMet(bar, peer, ours),
      }
    })
  })

const cell = (value) => (value === undefined ? '-' : formatNumber(value))

/** The rows as an aligned Markdown table. */
export const formatTable = (rows) => {
  const header = ['scenario', 'metric', 'peer', 'ours', 'ratio', 'bar', 'met']
  const body = rows.map((row, index) => [
    rows[index - 1]?.scenario === row.scenario ? '' : row.scenario,
    row.metric,
    cell(row.peer),
    cell(row.ours),
    row.ratio === undefined ? '-' : `${formatNumber(row.ratio)}x`,
    row.bar,
    row.met === undefined ? (row.bar === '' ? '' : '?') : row.met ? 'yes' : 'NO',
  ])
  const widths = header.map((title, column) =>
    Math.max(title.length, ...body.map((cells) => cells[column].length)),
  )
  const isNumber = (column) => column >= 2 && column <= 5
  const line = (cells) =>
    `| ${cells
      .map((text, column) =>
        isNumber(column) ? text.padStart(widths[column]) : text.padEnd(widths[column]),
      )
      .join(' | ')} |`
  const rule = `| ${widths
    .map((width, column) => (isNumber(column) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)))
    .join(' | ')} |`
  return [line(header), rule, ...body.map(line)].join('\n')
}

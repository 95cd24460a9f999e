/** The little arithmetic of the benchmark: medians, and numbers as the table prints them. */

/** The median of at least one number. */
export const median = (values) => {
  if (values.length === 0) throw new Error('median of no values')
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Three significant digits below 100, whole numbers with thousands separators above. */
export const formatNumber = (value) => {
  if (value === 0) return '0'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

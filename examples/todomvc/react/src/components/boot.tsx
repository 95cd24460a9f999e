/** What is shown before the store is there, and when it cannot be. */

import type { BootStatus } from 'livestore-wasm'
import { stageTexts } from '../../../common/texts.js'

export const BootProgress = ({ status }: { status: BootStatus }) => {
  const progress = 'progress' in status && status.progress.total > 0 ? status.progress : undefined
  return (
    <div className="boot" role="status">
      <p>{stageTexts[status.stage]} …</p>
      {progress !== undefined && (
        <progress
          value={progress.done}
          max={progress.total}
          aria-label={stageTexts[status.stage]}
        />
      )}
    </div>
  )
}

export const BootError = ({ error }: { error: unknown }) => (
  <div className="boot boot-error" role="alert">
    <h1>The todos could not be opened</h1>
    <p>{error instanceof Error ? error.message : String(error)}</p>
    <button type="button" onClick={() => location.reload()}>
      Try again
    </button>
  </div>
)

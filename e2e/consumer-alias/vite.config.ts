import react from '@vitejs/plugin-react'
import { liveStore } from 'livestore-wasm/vite'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [react(), liveStore()],
  // React and effect's Schema alone are nearly the 500 kB that Vite warns of.
  build: { chunkSizeWarningLimit: 600 },
})

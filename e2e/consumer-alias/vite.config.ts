import react from '@vitejs/plugin-react'
import { liveStore } from 'livestore-wasm/vite'
import { defineConfig } from 'vite'

export default defineConfig({ plugins: [react(), liveStore()] })

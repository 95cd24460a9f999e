import '../node_modules/livestore-wasm/dist/shared-worker.js'

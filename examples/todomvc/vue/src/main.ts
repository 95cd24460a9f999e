/** Starts the app. */

import { createApp } from 'vue'
import '../../common/app.css'
import App from './app.vue'

createApp(App).mount('#root')

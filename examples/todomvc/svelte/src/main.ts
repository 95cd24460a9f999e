/** Starts the app. */

import { mount } from 'svelte'
import '../../common/app.css'
import App from './app.svelte'

mount(App, { target: document.getElementById('root')! })

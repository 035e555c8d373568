/**
 * The tag: <script async src="https://.../tag.js" data-key="KEY"></script>
 *
 * States: it waits (for consent, or for ever where the browser says Global Privacy Control), or it runs. Only while
 * it runs it stores and sends.
 */

import * as pages from './pages'
import * as queue from './queue'
import * as sender from './sender'
import { clear, get, PREFIX, set } from './storage'
import { anonymousId, sessionId, uuid } from './visitor'

type Properties = Record<string, unknown>
type Command = [name: unknown, first: unknown, second: unknown]
interface Commands {
  (...given: unknown[]): void
  q?: ArrayLike<unknown>[] // what the page said before the tag was there
  runs?: boolean
}

const script = document.currentScript as HTMLScriptElement
const { key, endpoint, consent } = script.dataset
const page = window as unknown as { clickstream?: Commands }
const refuses = (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl

let running = false
let user: string | undefined

function track(action: string, properties?: Properties): void {
  if (!running) return
  const timestamp = Date.now()
  queue.add({
    message_id: uuid(),
    anonymous_id: anonymousId(),
    user_id: get('user'), // JSON leaves out what is undefined
    session_id: sessionId(timestamp),
    page_url: pages.address(),
    action,
    timestamp,
    properties,
  })
  sender.soon()
}

function view(): void {
  const properties = running && pages.viewed()
  if (properties) track('view', properties)
}

function identify(id: unknown): void {
  user = id == null || id === '' ? undefined : String(id)
  if (running) set('user', user)
}

function start(): void {
  if (running || refuses || (consent === 'required' && !get('consent'))) return
  running = true
  if (user) set('user', user)
  queue.open()
  view()
  sender.soon()
}

function stop(): void {
  running = false
  sender.cancel()
  queue.empty()
  queue.close()
  clear()
  pages.again()
}

function command(name: unknown, first: unknown, second: unknown): void {
  if (name === 'identify') identify(first)
  else if (name === 'track') track(String(first), second as Properties)
  else if (name === 'consent') {
    if (!first || refuses) return stop()
    if (consent === 'required') set('consent', '1')
    start()
  }
}

function clicked({ target }: Event): void {
  const element = (target as Element).closest?.('[data-click]')
  if (!element) return
  const properties: Properties = {}
  for (const { name, value } of element.attributes)
    if (name.startsWith('data-click-')) properties[name.slice(11).replace(/-/g, '_')] = value
  track(element.getAttribute('data-click')!, properties)
}

function run(): void {
  if (page.clickstream?.runs) return // the page has the script twice
  const waiting = (page.clickstream?.q ?? []).map((each) => Array.from(each) as Command)
  page.clickstream = (...given) => command(...(given as Command))
  page.clickstream.runs = true
  if (refuses) clear() // from before the visitor chose so
  for (const each of waiting) if (each[0] === 'identify') command(...each) // the first view is the user's
  start()
  for (const each of waiting) if (each[0] !== 'identify') command(...each)
  pages.watch(view)
  addEventListener('click', clicked, true) // before a handler of the page may stop it
  addEventListener('online', () => running && sender.send())
  addEventListener('pagehide', () => {
    view()
    sender.leave()
  })
  addEventListener('pageshow', ({ persisted }) => {
    if (!persisted) return
    // Other pages may have given consent, or taken it back: a page in the browser's cache hears of nothing.
    if (!running) return consent === 'required' ? start() : undefined
    if (!get('id')) return stop()
    queue.open()
    pages.again()
    view()
  })
  document.addEventListener('visibilitychange', () => running && document.hidden && sender.send())
  addEventListener('storage', ({ key: name, newValue }) => {
    if (name === PREFIX + 'id' && !newValue) running && stop() // refused in another tab
    else if (running && newValue && name?.startsWith(PREFIX + queue.QUEUE)) sender.soon(2_000)
  })
}

if (key) {
  sender.use(new URL(endpoint ?? '/v1/clicks', endpoint ? location.href : script.src) + '?key=' + encodeURIComponent(key))
  // A page that is loaded in case the visitor goes there was not viewed yet.
  if ((document as { prerendering?: boolean }).prerendering)
    document.addEventListener('prerenderingchange', run, { once: true })
  else run()
} else console.warn('clickstream: the script has no data-key')

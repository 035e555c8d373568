/**
 * Sends the queue to the collector, a batch at a time, and again with the same message ids until it is answered.
 *
 * A body is text/plain, so that a browser asks for no preflight, which takes a round trip and cannot happen while a
 * page goes away.
 */

import * as queue from './queue'

const SOON_MS = 200 // clicks that come together go together
const LONGEST_MS = 60_000 // between two attempts, unless the collector says Retry-After
const LONGEST_RETRY_AFTER_S = 3_600
// Browsers let 64 KiB of bodies outlive a page; a character has at most three bytes.
const CHARS = 20_000

let url = ''
let timer: number | undefined
let failures = 0
let notBeforeMs = 0 // Retry-After, as a time
let busy = false
let flying: queue.Click[] = [] // of a request that outlives the page
let warned = false

/** Say where to send to. */
export function use(target: string): void {
  url = target
}

/** Send within `ms`, or when the next attempt is due. */
export function soon(ms = SOON_MS): void {
  timer ??= setTimeout(send, ms)
}

/** Send at once, back-off or not: it may work now, or there may be no later. Only Retry-After is waited for. */
export async function send(): Promise<void> {
  if (busy) return
  cancel()
  const earlyMs = notBeforeMs - Date.now()
  if (earlyMs > 0) return soon(earlyMs)
  busy = true
  await queue.adopt().catch(() => {})
  const batch = queue.first(CHARS)
  let waitMs = 0
  if (batch[0]) {
    const body = text(batch)
    const keepalive = body.length <= CHARS + 2_000
    if (keepalive) flying = batch
    waitMs = await attempt(batch, body, keepalive)
    flying = []
  }
  busy = false
  if (!queue.first(0)[0]) return
  cancel() // a click that came meanwhile must not shorten the wait
  soon(waitMs || SOON_MS)
}

/**
 * The page goes away, perhaps for ever. Hand everything to the browser, which sends it after the page's end and tells
 * nobody how that went. After a failure, clicks that are stored stay for the next page instead.
 */
export function leave(): void {
  cancel()
  if (!queue.isStored() || (!failures && navigator.onLine)) {
    queue.remove(flying)
    for (let batch; (batch = queue.first(CHARS))[0] && navigator.sendBeacon(url, text(batch)); ) queue.remove(batch)
  }
  queue.close()
}

/** Send nothing more of what is planned. */
export function cancel(): void {
  clearTimeout(timer)
  timer = undefined
}

/** Return how long to wait for the next attempt, in ms; 0 where none is needed. */
async function attempt(batch: queue.Click[], body: string, keepalive: boolean): Promise<number> {
  let afterS = 0
  try {
    const answer = await fetch(url, { method: 'POST', body, keepalive, credentials: 'omit' })
    if (answer.status < 500 && answer.status !== 429 && answer.status !== 408) {
      failures = 0
      queue.remove(batch)
      const { refused, detail } = await answer.json().catch(() => ({}))
      if (!answer.ok) warn(answer.status, detail)
      else if (refused?.[0]) warn(refused[0].reason, refused[0].detail)
      return 0
    }
    afterS = Math.min(+answer.headers.get('Retry-After')! || 0, LONGEST_RETRY_AFTER_S)
  } catch {} // no network, no collector, or a key that does not allow this origin
  const backOffMs = Math.min(1_000 * 2 ** failures++, LONGEST_MS) * (0.5 + Math.random() / 2)
  notBeforeMs = Date.now() + afterS * 1_000
  return Math.max(backOffMs, afterS * 1_000)
}

function text(batch: queue.Click[]): string {
  const sent_at = Date.now()
  return JSON.stringify(batch.map((click) => ({ ...click, sent_at })))
}

function warn(...what: unknown[]): void {
  if (!warned) console.warn('clickstream: the collector does not take clicks of this page:', ...what)
  warned = true
}

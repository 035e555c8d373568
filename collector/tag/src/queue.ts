/**
 * Clicks that the collector has not answered yet, oldest first.
 *
 * Each page has a queue of its own in localStorage, and holds a Web Lock of the queue's name while it lives: no two
 * tabs send the same queue. A queue whose lock nobody holds was left by a page that is gone; another page takes it
 * over, under that lock. Without Web Locks (pages without TLS) or with storage blocked, the queue is in memory only.
 */

import { get, names, PREFIX, set } from './storage'
import { uuid } from './visitor'

export interface Click {
  message_id: string
  [field: string]: unknown
}

export const QUEUE = 'queue.'
const MOST = 500 // clicks; the oldest go first. About 250 kB of the 5 MB that a site may store

let clicks: Click[] = []
let wanted = '' // the name of this page's queue
let held = '' // the same, once this page holds the lock
let release: (() => void) | undefined

/** Begin to store. Until the lock is held, clicks are in memory. */
export function open(): void {
  const name = (wanted = QUEUE + uuid())
  navigator.locks
    ?.request(PREFIX + name, () => {
      if (name !== wanted) return
      held = name
      save()
      return new Promise<void>((resolve) => (release = resolve))
    })
    .catch(() => {}) // storage is blocked, and locks with it
}

/** End: what is stored stays for the next page. Locks would keep the page out of the browser's back/forward cache. */
export function close(): void {
  if (held) clicks = []
  wanted = held = ''
  release?.()
  release = undefined
}

/** Tell whether clicks outlive this page. */
export const isStored = (): boolean => held !== ''

/** Add a click at the end. */
export function add(click: Click): void {
  clicks.push(click)
  save()
}

/** Return the first clicks: at most 50, and of at most `chars` characters together unless the first alone has more. */
export function first(chars: number): Click[] {
  let left = chars
  return clicks.slice(0, 50).filter((click, place) => (left -= JSON.stringify(click).length) >= 0 || place === 0)
}

/** Remove clicks, wherever they are by now. */
export function remove(gone: Click[]): void {
  const ids = new Set(gone.map((click) => click.message_id))
  clicks = clicks.filter((click) => !ids.has(click.message_id))
  save()
}

/** Forget all clicks of this page. */
export function empty(): void {
  clicks = []
  save()
}

/** Take over the queues of pages that are gone. */
export async function adopt(): Promise<void> {
  for (const name of names()) {
    if (!held || name === held || !name.startsWith(QUEUE)) continue
    await navigator.locks.request(PREFIX + name, { ifAvailable: true }, (lock) => {
      if (!lock || !held) return
      try {
        clicks = JSON.parse(get(name)!).concat(clicks)
      } catch {} // somebody else's text, or another page was faster
      save() // first into this queue, then out of the other: in between a crash doubles, and loses nothing
      set(name, undefined)
    })
  }
}

function save(): void {
  clicks = clicks.slice(-MOST)
  if (held) set(held, clicks[0] && JSON.stringify(clicks))
}
